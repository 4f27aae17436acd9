"""Draws one series as a small line plot out of braille dots (or stars); gaps stay gaps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

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
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def charted(names: Iterable[str]) -> list[str]:
    """Return the series that are worth a chart, those that people look for first."""
    return sorted(set(names) - _NO_CHART, key=lambda name: (_rank(name), name))


def _rank(name: str) -> int:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


def small_plot(
    name: str, points: Sequence[Point], columns: int, rows: int, glyphs: Glyphs
) -> list[Line]:
    """Return exactly ``rows`` lines: a title with the last value, the plot, the steps."""
    known = [(x, y) for x, y in points if y is not None and math.isfinite(y) and math.isfinite(x)]
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
        points = [(x, math.log10(y) if y is not None and y > 0 else None) for x, y in points]
        known = [(x, math.log10(y)) for x, y in known]
    height = max(1, rows - 2)
    label = 9
    body = _canvas(points, known, max(4, columns - label - 1), height, glyphs)
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


def _canvas(
    points: Sequence[Point],
    known: Sequence[tuple[float, float]],
    columns: int,
    rows: int,
    glyphs: Glyphs,
) -> list[str]:
    wide, tall = (1, 1) if glyphs.is_ascii else (2, 4)
    left, right = min(x for x, _ in known), max(x for x, _ in known)
    low, high = min(y for _, y in known), max(y for _, y in known)
    dots: set[tuple[int, int]] = set()
    before: tuple[int, int] | None = None
    for x, y in points:
        if y is None or not math.isfinite(y):
            before = None
            continue
        across = _place(x, left, right, columns * wide)
        down = rows * tall - 1 - _place(y, low, high, rows * tall)
        dots |= _stroke(before, (across, down)) if before else {(across, down)}
        before = (across, down)
    if glyphs.is_ascii:
        return [
            "".join("*" if (x, y) in dots else " " for x in range(columns)) for y in range(rows)
        ]
    return ["".join(_braille(dots, x, y) for x in range(columns)) for y in range(rows)]


def _place(value: float, low: float, high: float, steps: int) -> int:
    if high <= low:
        return (steps - 1) // 2
    return min(steps - 1, round((value - low) / (high - low) * (steps - 1)))


def _stroke(start: tuple[int, int], end: tuple[int, int]) -> set[tuple[int, int]]:
    """All dots on the straight line between two dots."""
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    return {
        (
            round(start[0] + (end[0] - start[0]) * step / steps),
            round(start[1] + (end[1] - start[1]) * step / steps),
        )
        for step in range(steps + 1)
    }


def _braille(dots: set[tuple[int, int]], x: int, y: int) -> str:
    bits = 0
    for row in range(4):
        for column in range(2):
            if (x * 2 + column, y * 4 + row) in dots:
                bits |= _DOTS[row][column]
    return chr(0x2800 + bits) if bits else " "
