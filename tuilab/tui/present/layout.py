"""Shares the rows of a screen between the grid, the trajectory and the log; pure arithmetic."""

from __future__ import annotations

from typing import NamedTuple

LEAST_COLUMNS = 40
LEAST_ROWS = 12
WIDE_COLUMNS = 120
SIDE_LEAST, SIDE_MOST = 38, 92
MAIN_LEAST = 66
"""Columns of what stands left of the right pane: below a small table a log has long lines."""
PLOT_LEAST, PLOT_MOST = 7, 45


class Shares(NamedTuple):
    """Rows per part; header, rules and key bar take one each besides."""

    grid: int
    trajectory: int
    story: int
    log: int
    """Without its rule; 0 = neither."""
    side: int
    """Columns of the right pane, 0 = none."""
    event: int = 0
    """Row for the newest event, where no right pane lists them."""


def is_too_small(columns: int, rows: int) -> bool:
    """Whether a terminal is below what the screens are made for."""
    return columns < LEAST_COLUMNS or rows < LEAST_ROWS


def too_small_text(columns: int, rows: int) -> str:
    """Say in one clear line what would be enough."""
    return f"needs {LEAST_COLUMNS}x{LEAST_ROWS}, has {columns}x{rows}"


def share_rows(
    columns: int,
    rows: int,
    table_rows: int,
    table_columns: int = 0,
    has_events: bool = True,
    has_log: bool = True,
) -> Shares:
    """Give the grid what it needs, then the log, then the plot of a row where there is room.

    The right pane takes columns that the table leaves: its events end in what went wrong. Results
    from elsewhere have no log: the plot has its rows.
    """
    is_wide = columns >= WIDE_COLUMNS
    story = 3 if rows >= 32 else 2
    event = 1 if has_events and rows >= 20 and not is_wide else 0
    fixed = 1 + 1 + story + has_log + event + 1
    free = max(2, rows - fixed)
    log_least = ((2 if rows < 20 else 4 if rows < 32 else 8) - event) * has_log
    grid = min(max(2, table_rows + 1), max(2, free - log_least))
    left = free - grid
    log = max(log_least, left // 3) if has_log else 0
    plot = left - log if is_wide and left - log >= PLOT_LEAST else 0
    if not has_log:
        plot = left if left >= PLOT_LEAST else 0
    plot = min(plot, PLOT_MOST)
    spare = columns - max(table_columns, MAIN_LEAST) if table_columns else SIDE_LEAST
    side = max(SIDE_LEAST, min(SIDE_MOST, spare)) if is_wide and rows >= 20 else 0
    return Shares(grid, plot, story, left - plot if has_log else 0, side, event)
