"""Places labels so that they cover neither points nor one another; positions in data units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tuilab.science.figure_model import Panel, PlotPoint, Series


@dataclass(frozen=True, slots=True)
class Label:
    """A text at a place of the panel."""

    key: Series
    """The series it names."""
    text: str
    x: float
    """Left end, in the x axis' unit."""
    y: float


def line_ends(panel: Panel, right: float, room: int, lines: int) -> list[Label]:
    """One label per series at the right end, each on a line of its own, as near as order allows.

    ``right`` is the x axis' end, ``room`` the columns kept free there, ``lines`` the height of the
    plot. When there are more series than lines, the lowest ones share the last.
    """
    ends = [(series, last) for series in panel.series if (last := _last(series.points)) is not None]
    low, high = panel.y_range
    rows = own_rows([_row(point.y or 0.0, low, high, lines) for _, point in ends], lines)
    x = panel.x_range[1] + (right - panel.x_range[1]) * min(1.0, 2 / max(room, 1))
    return [
        Label(series, series.label[: max(room - 1, 1)], x, _height(row, low, high, lines))
        for (series, _), row in zip(ends, rows, strict=True)
    ]


def own_rows(wished: Sequence[int], lines: int) -> list[int]:
    """Give every wish a row of its own (0 at the bottom), in order, moved as little as possible."""
    order = sorted(range(len(wished)), key=lambda index: wished[index])
    rows: list[int] = []
    for index in order:
        rows.append(max(wished[index], rows[-1] + 1 if rows else 0))
    ceiling = lines - 1
    for place in reversed(range(len(rows))):
        rows[place] = max(0, min(rows[place], ceiling))
        ceiling = rows[place] - 1
    given = [0] * len(wished)
    for index, row in zip(order, rows, strict=True):
        given[index] = row
    return given


def beside_points(panel: Panel, columns: int, lines: int) -> list[Label]:
    """One label per series beside its point: right, left, above or below, wherever it is free."""
    low, high = panel.x_range
    bottom, top = panel.y_range
    ends = [(series, p) for series in panel.series if (p := _last(series.points)) is not None]
    places = [
        (_row(p.x, low, high, columns), _row(p.y or 0.0, bottom, top, lines)) for _, p in ends
    ]
    taken = set(places)
    labels = []
    for (series, _), (column, row) in zip(ends, places, strict=True):
        found = _free_place(len(series.label), column, row, columns, lines, taken)
        if found is None:
            continue
        start, line = found
        taken |= {(start + step, line) for step in range(len(series.label))}
        x = _height(start, low, high, columns)
        labels.append(Label(series, series.label, x, _height(line, bottom, top, lines)))
    return labels


def _free_place(
    length: int, column: int, row: int, columns: int, lines: int, taken: set[tuple[int, int]]
) -> tuple[int, int] | None:
    middle = column - length // 2
    for start, line in (
        (column + 2, row),
        (column - length - 1, row),
        (middle, row + 1),
        (middle, row - 1),
        (column + 2, row + 1),
        (column + 2, row - 1),
        (column - length - 1, row + 1),
        (column - length - 1, row - 1),
    ):
        inside = start >= 0 and start + length <= columns and 0 <= line < lines
        if inside and not any((start + step, line) in taken for step in range(-1, length + 1)):
            return start, line
    return None


def _last(points: Sequence[PlotPoint]) -> PlotPoint | None:
    drawn = [p for p in points if p.y is not None and math.isfinite(p.y)]
    return drawn[-1] if drawn else None


def _row(value: float, low: float, high: float, count: int) -> int:
    if high <= low:
        return 0
    return max(0, min(count - 1, round((value - low) / (high - low) * (count - 1))))


def _height(row: int, low: float, high: float, count: int) -> float:
    return low + (high - low) * row / max(count - 1, 1)
