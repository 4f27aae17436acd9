"""Draws axes and lines of one panel on a grid of signs; the only file that knows plotext.

plotext aborts the process on a NaN and knows one global canvas, so values are guarded here and
nothing else may call it.
"""

from __future__ import annotations

import itertools
import math
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuilab.tui.present.figures.look import Sign, role_of

if TYPE_CHECKING:
    from tuilab.science.figures.model import Panel, PlotPoint, Series, Tick

AXIS = "muted"
REFERENCE = "rule"
_SMALLEST = (16, 4)
"""Columns and lines of the canvas below which nothing can be read."""
_ASCII = str.maketrans("┤│└─┬", "+|+-+")
_CODE = re.compile(r"\x1b\[([0-9;]*)m")
_CANVAS = threading.Lock()


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

    def column(self, x: float) -> int:
        """Column of a value, on the very sign in which a line drawn to it ends."""
        return _place(x, self.x_range, self.columns, 2)

    def row(self, y: float) -> int:
        """Row of a value."""
        return self.lines - 1 - _place(y, self.y_range, self.lines, 4)


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
    # plotext divides by the length of an axis.
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
    roles = [REFERENCE, *dict.fromkeys(role_of(series) for series in drawn)]
    marker = "." if is_ascii else "braille"
    with _CANVAS:
        import plotext

        canvas: Any = plotext
        _begin(canvas, panel, axes)
        for line in panel.references:
            _draw(canvas, [line.start, line.end], marker, 0)
        for edge in (edge for band in panel.bands for edge in _edges(band)):
            _draw(canvas, edge, marker, 0)
        for series in drawn:
            number = roles.index(role_of(series))
            for run in _strokes(series, with_intervals):
                _draw(canvas, run, marker, number)
        text = str(canvas.build())
        canvas.clear_figure()
    rows = [_signs(line, roles) for line in text.rstrip("\n").split("\n")]
    if is_ascii:
        rows = [[(sign.translate(_ASCII), role) for sign, role in row] for row in rows]
    width = axes.left + axes.columns
    return [(row + [(" ", "")] * width)[:width] for row in rows]


def _edges(band: Series) -> list[list[tuple[float, float]]]:
    """Lower and upper edge of a band, broken at its gaps."""
    runs: list[list[PlotPoint]] = [[]]
    for point in band.points:
        if point.low is None or point.high is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [
        [(point.x, end) for point in run if (end := getattr(point, name)) is not None]
        for run in runs
        if run
        for name in ("low", "high")
    ]


def finite(points: Sequence[PlotPoint]) -> list[tuple[int, float, float]]:
    """(number, x, y) of the points that can be drawn."""
    return [
        (number, point.x, point.y)
        for number, point in enumerate(points)
        if point.y is not None and math.isfinite(point.y) and math.isfinite(point.x)
    ]


def _place(value: float, ends: tuple[float, float], count: int, parts: int) -> int:
    """Round as plotext does for signs of ``parts`` dots, so that points stand on their lines."""
    low, high = ends
    share = 0.0 if high <= low else (value - low) / (high - low)
    dot = math.floor(round(0.5 + (count * parts - 1) * share, 8))
    return max(0, min(count - 1, dot // parts))


def _centre(value: float, ends: tuple[float, float], count: int, parts: int) -> float:
    """Where a tick must be asked for so that it stands level with points of that value.

    plotext rounds ticks to whole signs and lines to dots, which may differ by one sign.
    """
    low, high = ends
    return low + (high - low) * _place(value, ends, count, parts) / max(count - 1, 1)


def _begin(canvas: Any, panel: Panel, axes: Axes) -> None:
    canvas.clear_figure()
    canvas.limit_size(False, False)
    canvas.plotsize(axes.left + axes.columns, axes.lines + 2)
    canvas.theme("clear")
    canvas.xaxes(True, False)
    canvas.yaxes(True, False)
    canvas.xlim(*axes.x_range)
    canvas.ylim(*axes.y_range)
    # Without any point plotext draws no ticks.
    canvas.scatter([axes.x_range[0]], [axes.y_range[0]], marker=" ")
    x_ticks = thinned(panel.x_ticks, axes)
    columns = [_centre(tick.at, axes.x_range, axes.columns, 2) for tick in x_ticks]
    canvas.xticks(columns, [tick.label for tick in x_ticks])
    y_ticks = _apart(panel.y_ticks, axes)
    rows = [_centre(tick.at, axes.y_range, axes.lines, 4) for tick in y_ticks]
    canvas.yticks(rows, [tick.label for tick in y_ticks])


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
    needed = (len(one.label) + len(other.label)) // 2 + 1
    return abs(axes.column(other.at) - axes.column(one.at)) > needed


def _apart(ticks: Sequence[Tick], axes: Axes) -> list[Tick]:
    step = max(1, math.ceil(2 * len(ticks) / max(axes.lines, 1))) if axes.lines < len(ticks) else 1
    return list(ticks[::step])


def _strokes(series: Series, with_intervals: bool) -> list[list[tuple[float, float]]]:
    """What is drawn of a series: its runs between gaps, and its intervals."""
    strokes = [run for run in _runs(series.points) if len(run) > 1] if series.is_line else []
    if with_intervals:
        for number, x, _ in finite(series.points):
            low, high = series.points[number].low, series.points[number].high
            if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
                strokes.append([(x, low), (x, high)])
    return strokes


def _runs(points: Sequence[PlotPoint]) -> list[list[tuple[float, float]]]:
    """Split at gaps: a line never bridges what was not measured."""
    runs: list[list[tuple[float, float]]] = [[]]
    drawn = {number: (x, y) for number, x, y in finite(points)}
    for number in range(len(points)):
        if number in drawn:
            runs[-1].append(drawn[number])
        else:
            runs.append([])
    return runs


def _draw(canvas: Any, points: Sequence[tuple[float, float]], marker: str, number: int) -> None:
    """Draw a line; its colour is the number of its role, which is read back from the text."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    canvas.plot(xs, ys, marker=marker, color=(number, 1, 1))


def _signs(line: str, roles: Sequence[str]) -> list[Sign]:
    signs: list[Sign] = []
    role, begin = AXIS, 0
    for code in _CODE.finditer(line):
        signs += [(sign, role) for sign in line[begin : code.start()]]
        begin = code.end()
        parts = code[1].split(";")
        role = roles[int(parts[2])] if parts[:2] == ["38", "2"] else AXIS
    return signs + [(sign, role) for sign in line[begin:]]
