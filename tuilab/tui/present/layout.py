"""Shares the rows of a screen between the grid, the trajectory and the log; pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_COLUMNS = 40
LEAST_ROWS = 12
WIDE_COLUMNS = 120
SIDE_LEAST, SIDE_MOST = 38, 56


@dataclass(frozen=True, slots=True)
class Shares:
    """Rows per part; header, rules and key bar take one each besides."""

    grid: int
    trajectory: int
    story: int
    log: int
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
    columns: int, rows: int, table_rows: int, table_columns: int = 0, has_events: bool = True
) -> Shares:
    """Give the grid what it needs, the log what is left, and extras only where there is room.

    The right pane takes columns that the table leaves: its events end in what went wrong.
    """
    story = 3 if rows >= 32 else 2
    event = 1 if has_events and rows >= 20 and columns < WIDE_COLUMNS else 0
    fixed = 1 + 1 + story + 1 + event + 1
    free = max(2, rows - fixed)
    log_least = (2 if rows < 20 else 4 if rows < 32 else 8) - event
    grid = min(max(2, table_rows + 1), max(2, free - log_least))
    left = free - grid
    trajectory = 7 if columns >= WIDE_COLUMNS and left >= log_least + 9 else 0
    spare = (
        max(SIDE_LEAST, min(SIDE_MOST, columns - table_columns)) if table_columns else SIDE_LEAST
    )
    side = spare if columns >= WIDE_COLUMNS and rows >= 20 else 0
    return Shares(grid, trajectory, story, max(0, left - trajectory), side, event)
