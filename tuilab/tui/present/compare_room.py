"""Writes what a large terminal has room for below a comparison: a row by epoch, and as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from tuilab.contract.foreign import clean_line
from tuilab.grid.cells import Cell
from tuilab.grid.metrics import METRICS, Measurement, counts_text
from tuilab.grid.text import MISSING
from tuilab.store.snapshot import Snapshot
from tuilab.study.comparison import SIGN, Compared, Comparison
from tuilab.study.comparison_text import gap_text
from tuilab.tui.present.cell_room import own_row, own_row_lines
from tuilab.tui.present.compare_text import difference_text
from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.grid_table import Row, View
from tuilab.tui.present.layout import PLOT_LEAST, WIDE_COLUMNS
from tuilab.tui.present.styled_text import Line, fit, fit_line, rule, sides

LEAST_ROWS = 5
"""Free rows from which there is such room."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two experiments."""

    name: str
    snapshot: Snapshot
    cell: Cell | None
    """The cell under the cursor as this one names it."""


def room_lines(
    found: Comparison,
    row: tuple[str, Sequence[Compared | None]],
    here: int,
    both: tuple[Side, Side],
    columns: int,
    rows: int,
    glyphs: Glyphs,
) -> list[Line]:
    """Write the row under the cursor: what both measured at each epoch, then the bars of both.

    ``here`` is the place of the cursor's epoch. At most ``rows`` lines.
    """
    name, cells = row
    most = max(1, min(len(cells), rows - 2))
    first = max(0, min(here - most // 2, len(cells) - most))
    each = 16 if columns < 100 else 24
    lines = [rule(f"{name} by epoch", "", columns, glyphs.stroke), _heading(both, each)]
    for place in range(first, first + most):
        line = _epoch_line(found, place, cells[place], place == here, each)
        lines.append(fit_line(line, columns, glyphs.ellipsis))
    free = rows - len(lines)
    if columns >= WIDE_COLUMNS and free >= PLOT_LEAST + 3:
        lines += _bars(found.metric, both, columns, free, glyphs)
    return lines[:rows]


_EPOCH = 7


def _heading(both: tuple[Side, Side], columns: int) -> Line:
    names = "".join(f"  {fit(side.name, columns)}" for side in both)
    return ((f"{'epoch':>{_EPOCH}}{names}  difference", "muted"),)


def _epoch_line(
    found: Comparison, place: int, each: Compared | None, is_here: bool, columns: int
) -> Line:
    ground = " ground" if is_here else ""
    head = (f"{found.epochs[place]:>{_EPOCH}}", f"label{ground}")
    if each is None:
        return head, ("  not in both", f"missing{ground}")
    values = "".join(
        f"  {fit(_value_text(value, found.metric), columns)}" for value in (each.one, each.other)
    )
    _, role = difference_text(each.difference, found.metric, each.is_beyond_chance)
    said = gap_text(each, found.metric) + f" {SIGN}" * each.is_beyond_chance
    edits = (f"{side} ran with {one}" for side, one in zip(_WHICH, each.edits, strict=True) if one)
    beside = clean_line("   ".join(["", *edits]), 200)
    return head, (values, f"text{ground}"), (f"  {said}", f"{role}{ground}"), (beside, "muted")


_WHICH = ("first", "second")


def _value_text(value: Measurement | None, metric: str) -> str:
    if value is None:
        return MISSING
    return METRICS[metric].unit.wide(value.value, value.n) + counts_text(value.hits, value.n)


def _bars(
    metric: str, both: tuple[Side, Side], columns: int, rows: int, glyphs: Glyphs
) -> list[Line]:
    """Draw the row of either experiment, side by side and on one scale."""
    each = (columns - 1) // 2
    in_rows = [own_row(side.snapshot, side.cell) if side.cell else None for side in both]
    left, right = (
        _own_bars(metric, side, in_rows[1 - at], each, rows, glyphs) for at, side in enumerate(both)
    )
    between: Line = ((glyphs.upright, "rule"),)
    return [
        (*sides(mine, (), each), *between, *theirs)
        for mine, theirs in zip_longest(left, right, fillvalue=())
    ]


def _own_bars(
    metric: str, side: Side, beside: Row | None, columns: int, rows: int, glyphs: Glyphs
) -> list[Line]:
    title = rule(side.name, "", columns, glyphs.stroke)
    if side.cell is None:
        return [title, ((" no cell of both here", "muted"),)]
    seen = View(metric=metric)
    drawn = own_row_lines(side.snapshot, side.cell, seen, columns, rows - 1, glyphs, beside)
    return [title, *drawn]
