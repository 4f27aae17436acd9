"""Draws axes and lines of one panel on a grid of signs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuilab.tui.present import dots
from tuilab.tui.present.figures.look import Sign, role_of

if TYPE_CHECKING:
    from tuilab.science.figures.model import Panel, PlotPoint, Series, Tick

AXIS = "muted"
REFERENCE = "rule"
_SMALLEST = (16, 4)
"""Columns and lines of the canvas below which nothing can be read."""
_BETWEEN = 2
"""Blank columns between two labels of the x axis, at least."""
_ASCII = str.maketrans("┤│└─┬", "+|+-+")


@dataclass(frozen=True, slots=True)
class Axes:
    """Where data units lie on the canvas; row 0 is at the top."""

    left: int
    """Columns of the y axis with its labels."""
    columns: int
    lines: int
    x_range: tuple[float, float]
    """Ends of the canvas, which on the right may hold labels behind the last tick."""
    y_range: tuple[float, float]

    def dot(self, x: float, y: float) -> dots.Place:
        """Where a point lies among the dots of the canvas, or beside it."""
        return dots.dot_at((x, y), self.x_range, self.y_range, (self.columns, self.lines))

    def column(self, x: float) -> int:
        """Column of a value, on the very sign in which a line drawn to it ends."""
        return max(0, min(self.columns - 1, self.dot(x, 0.0)[0] // dots.ACROSS))

    def row(self, y: float) -> int:
        """Row of a value."""
        return max(0, min(self.lines - 1, self.dot(0.0, y)[1] // dots.DOWN))


def axes_of(panel: Panel, width: int, height: int, room: int = 0) -> Axes | None:
    """Lay out a panel, ``room`` columns kept free at the right; None where nothing would fit."""
    left = 1 + max((len(tick.label) for tick in panel.y_ticks), default=0)
    columns, lines = width - left, height - 2
    if columns < _SMALLEST[0] or lines < _SMALLEST[1]:
        return None
    low, high = panel.x_range
    if not all(map(math.isfinite, (low, high, *panel.y_range))):
        return None
    room = min(room, columns * 2 // 5)
    end = low + (high - low) * (columns - 1) / (columns - 1 - room)
    bottom, top = panel.y_range
    high_end = end if end > low else low + 1.0
    return Axes(
        left, columns, lines, (low, high_end), (bottom, top if top > bottom else bottom + 1.0)
    )


def canvas_rows(
    panel: Panel, axes: Axes, drawn: Sequence[Series], is_ascii: bool, with_intervals: bool
) -> list[list[Sign]]:
    """Return axes, references and the lines of ``drawn``: lines + 2 rows of left + columns signs.

    Points are not drawn: they come on top of all lines.
    """
    strokes = [([line.start, line.end], REFERENCE) for line in panel.references]
    strokes += [(edge, REFERENCE) for band in panel.bands for edge in _edges(band)]
    strokes += [(run, role_of(one)) for one in drawn for run in _strokes(one, with_intervals)]
    canvas: dict[dots.Place, Sign] = {}
    for points, role in strokes:
        found = dots.signs(dots.line([axes.dot(*point) for point in points]), "." * is_ascii)
        canvas.update({place: (sign, role) for place, sign in found.items()})
    left = _left(panel, axes)
    rows = [
        [*_plain(left[row]), *(canvas.get((x, row), (" ", AXIS)) for x in range(axes.columns))]
        for row in range(axes.lines)
    ]
    rows += [_plain(text) for text in _foot(panel, axes)]
    if is_ascii:
        rows = [[(sign.translate(_ASCII), role) for sign, role in row] for row in rows]
    return rows


def _plain(text: str) -> list[Sign]:
    return [(sign, AXIS) for sign in text]


def _left(panel: Panel, axes: Axes) -> list[str]:
    """Return what stands left of each line of the canvas."""
    step = max(1, math.ceil(2 * len(panel.y_ticks) / axes.lines))
    ticks = panel.y_ticks[:: step if axes.lines < len(panel.y_ticks) else 1]
    labels = {axes.row(tick.at): tick.label for tick in ticks}
    wide = axes.left - 1
    return [
        f"{labels[row]:>{wide}}┤" if row in labels else f"{'':{wide}}│" for row in range(axes.lines)
    ]


def _foot(panel: Panel, axes: Axes) -> tuple[str, str]:
    """Return the x axis and the labels below it."""
    ticks = thinned(panel.x_ticks, axes)
    columns = {axes.column(tick.at) for tick in ticks}
    line = "".join("┬" if column in columns else "─" for column in range(axes.columns))
    labels = ""
    for tick in ticks:
        labels = labels.ljust(_begin(tick, axes)) + tick.label
    width = axes.left + axes.columns
    return "└".rjust(axes.left) + line, labels.ljust(width)[:width]


def _begin(tick: Tick, axes: Axes) -> int:
    """First column, from the left end, of a label below its tick."""
    size = len(tick.label)
    begin = axes.left + axes.column(tick.at) - size // 2
    return max(0, min(begin, axes.left + axes.columns - size))


def _edges(band: Series) -> Iterator[list[dots.Point]]:
    """Lower and upper edge of a band, broken at its gaps."""
    for name in ("low", "high"):
        yield from dots.runs(dots.point(point.x, getattr(point, name)) for point in band.points)


def finite(points: Sequence[PlotPoint]) -> list[tuple[int, float, float]]:
    """(number, x, y) of the points that can be drawn."""
    return [
        (number, *drawn)
        for number, point in enumerate(points)
        if (drawn := dots.point(point.x, point.y)) is not None
    ]


def thinned(ticks: Sequence[Tick], axes: Axes) -> list[Tick]:
    """Leave out ticks, evenly, until no two labels touch; first and last stay."""
    for step in range(1, len(ticks)):
        kept = list(ticks[::step])
        if all(_clear(one, other, axes) for one, other in itertools.pairwise(kept)):
            if kept[-1] is ticks[-1]:
                return kept
            if not _clear(kept[-1], ticks[-1], axes) and len(kept) > 1:
                kept.pop()
            return [*kept, ticks[-1]]
    return list(ticks[:1])


def _clear(one: Tick, other: Tick, axes: Axes) -> bool:
    return _begin(other, axes) - _begin(one, axes) - len(one.label) >= _BETWEEN


def _strokes(series: Series, with_intervals: bool) -> Iterator[list[dots.Point]]:
    """What is drawn of a series: its runs between gaps, and its intervals."""
    if series.is_line:
        runs = dots.runs(dots.point(point.x, point.y) for point in series.points)
        yield from (run for run in runs if len(run) > 1)
    if with_intervals:
        for point in series.points:
            ends = [dots.point(point.x, end) for end in (point.low, point.high)]
            if point.y is not None and None not in ends:
                yield from dots.runs(ends)
