"""Draws a heatmap as text: numbers first, colour second, n/a never as the colour of 0."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tuilab.grid.edits import EDITED
from tuilab.grid.text import MISSING, number
from tuilab.tui.present.figures.look import Spot
from tuilab.tui.present.styled_text import Line, fit

if TYPE_CHECKING:
    from tuilab.science.figures.model import HeatCell, Matrix

_NARROW, _WIDE = 5, 12
"""Least and most columns of one square."""


def heat_lines(
    matrix: Matrix, width: int, height: int, cursor: Spot | None, ellipsis: str = "…"
) -> list[Line]:
    """Return a header and one line per row; the part around the cursor when not all fits."""
    if not matrix.rows or not matrix.columns or height < 2:
        return [(("nothing yet", "muted"),)]
    left = min(14, max(len(row) for row in matrix.rows) + 1)
    each = max(_NARROW, min(_WIDE, (width - left) // len(matrix.columns)))
    columns = _window(len(matrix.columns), (width - left) // each, cursor.column if cursor else 0)
    is_cut = len(columns) < len(matrix.columns) or len(matrix.rows) > height - 1
    rows = _window(len(matrix.rows), height - (2 if is_cut else 1), cursor.row if cursor else 0)
    lines = [_header(matrix, columns, left, each, cursor, ellipsis)]
    for row in rows:
        is_here = cursor is not None and cursor.row == row
        name = fit(matrix.rows[row], left - 1, ellipsis)
        squares = [
            _square(matrix.cells[row][column], each, cursor == Spot(_panel(cursor), row, column))
            for column in columns
        ]
        lines.append(
            ((name + " ", "strong" if is_here else "label"), *(p for s in squares for p in s))
        )
    if is_cut:
        lines.append(((_what_is_seen(matrix, rows, columns), "muted"),))
    return lines


def _panel(cursor: Spot | None) -> int:
    return cursor.panel if cursor is not None else 0


def _window(count: int, fits: int, here: int) -> range:
    fits = max(1, min(fits, count))
    first = max(0, min(here - fits // 2, count - fits))
    return range(first, first + fits)


def _header(
    matrix: Matrix, columns: range, left: int, each: int, cursor: Spot | None, ellipsis: str
) -> Line:
    names = [
        (
            f"{_short(matrix.columns[column], each - 1, ellipsis).strip():>{each - 1}} ",
            "strong" if cursor is not None and cursor.column == column else "label",
        )
        for column in columns
    ]
    return ((" " * left, ""), *names)


def _short(name: str, columns: int, ellipsis: str) -> str:
    return fit(name, columns, ellipsis if columns > 4 else "")


def _square(cell: HeatCell, each: int, is_here: bool) -> Line:
    is_number = cell.value is not None and math.isfinite(cell.value)
    mark = {"stale": "~", "suspect": "?", "edited": EDITED}.get(cell.status, "")
    text = f"{mark}{number(cell.value)}" if is_number else MISSING
    role = f"heat-{_step(cell.value or 0.0)}" if is_number else "muted"
    if is_here:
        return ((f"{f'[{text}]':>{each}}", f"{role} cursor"),)
    # A blank in the ground of the screen keeps neighbours apart.
    return ((" ", ""), (f"{text:>{each - 2}} ", role))


def _step(percent: float) -> int:
    return max(0, min(4, int(percent // 20)))


def _what_is_seen(matrix: Matrix, rows: range, columns: range) -> str:
    parts = []
    for name, seen, count in (
        ("rows", rows, len(matrix.rows)),
        ("columns", columns, len(matrix.columns)),
    ):
        if len(seen) < count:
            parts.append(f"{name} {seen.start + 1} to {seen.stop} of {count}")
    return f"({', '.join(parts)})"
