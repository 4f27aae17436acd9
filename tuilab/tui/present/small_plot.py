"""Draws one series as a small line plot out of braille dots (or stars); gaps stay gaps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from tuilab.tui.present import dots
from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.styled_text import Line, fit

Point = tuple[float, float | None]
_FIRST = ("loss", "rate", "grad_norm", "lr")
"""Series in the order in which they are worth seeing."""
_NO_CHART = frozenset({"epoch"})
"""It rises with the step by definition."""
_UNITS = {"rate": "steps/s"}
_OVER_DECADES = frozenset({"loss", "grad_norm"})
"""Their first spikes would press all that follows into one flat line."""
_SPAN = 30.0
"""Largest over smallest value from which on such an axis is logarithmic."""


def charted(names: Iterable[str]) -> list[str]:
    """Return the series that are worth a chart, those that people look for first."""
    return sorted(set(names) - _NO_CHART, key=lambda name: (_rank(name), name))


def _rank(name: str) -> int:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


def small_plot(
    name: str, points: Sequence[Point], columns: int, rows: int, glyphs: Glyphs
) -> list[Line]:
    """Return exactly ``rows`` lines: a title with the last value, the plot, the steps."""
    drawn = [dots.point(x, y) for x, y in points]
    known = [point for point in drawn if point]
    if not known:
        text = f" {name}: nothing yet" if not points else f" {name}: no finite number reported"
        empty: list[Line] = [((text, "muted"),)]
        return (empty + [()] * rows)[:rows]
    low, high = min(y for _, y in known), max(y for _, y in known)
    gone = len(points) - len(known)
    lost = f"   {gone} not finite" if gone else ""
    is_log = name in _OVER_DECADES and low > 0 and high / low >= _SPAN
    unit = f" {_UNITS[name]}" if name in _UNITS else ""
    title: Line = (
        (f" {name} ", "title"),
        (f"{_short(known[-1][1])}{unit}", "strong"),
        (f"   {_short(low)} to {_short(high)}{lost}{'   log axis' * is_log}", "muted"),
    )
    if is_log:
        drawn = [point and (point[0], math.log10(point[1])) for point in drawn]
    height = max(1, rows - 2)
    label = 9
    body = _canvas(drawn, max(4, columns - label - 1), height, "*" * glyphs.is_ascii)
    lines: list[Line] = [title]
    for row, text in enumerate(body):
        edge = _short(high) if row == 0 else _short(low) if row == height - 1 else ""
        if low == high and row != height // 2:
            edge = ""
        lines.append(((fit(edge.rjust(label - 1) + " ", label), "muted"), (text, "trend")))
    first, last = f"step {_short(known[0][0])}", _short(known[-1][0])
    axis = " " * label + first + last.rjust(max(1, columns - label - 1 - len(first)))
    lines.append(((axis, "muted"),))
    return lines[:rows]


def _short(value: float) -> str:
    return f"{value:.4g}"


def _canvas(points: Sequence[dots.Point | None], columns: int, rows: int, mark: str) -> list[str]:
    xs, ys = zip(*filter(None, points), strict=True)
    x_range, y_range = (min(xs), max(xs)), (min(ys), max(ys))
    drawn: set[dots.Place] = set()
    for run in dots.runs(points):
        drawn |= dots.line([dots.dot_at(one, x_range, y_range, (columns, rows)) for one in run])
    signs = dots.signs(drawn, mark)
    return ["".join(signs.get((x, y), " ") for x in range(columns)) for y in range(rows)]
