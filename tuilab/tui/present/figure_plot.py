"""Draws prepared figures as lines of text by plotext; the only file that knows plotext.

plotext aborts the process on a NaN and knows one global canvas, so values are guarded here and
nothing else may call it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tuilab.science.figure_model import Figure, Panel, PlotPoint, Series
from tuilab.tui.present.figure_heat import heat_lines
from tuilab.tui.present.figure_labels import Label, beside_points, line_ends

MARGIN = 6
"""Columns of the y axis with its tick labels."""
_DIM = (110, 110, 110)
_SMALLEST = (24, 6)
"""Columns and lines below which a panel cannot be read."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a figure is to be drawn; none of it changes the data."""

    focus: str | None = None
    """Source key that stands out; the others are dimmed."""
    cursor: str | None = None
    """Cell under the cursor, such as ``villain@10#42``."""
    is_ascii: bool = False
    with_intervals: bool = False
    has_colour: bool = True


def figure_lines(figure: Figure, width: int, height: int, look: Look | None = None) -> list[str]:
    """Return ``height`` lines or fewer of at most ``width`` columns, with ANSI colours.

    Panels stand side by side where each keeps at least 36 columns, otherwise one below the other;
    panels for which there is no room are named in the last line.
    """
    look = look or Look()
    panels = list(figure.panels)
    if not panels:
        return ["nothing yet"]
    across = max(1, min(len(panels), figure.columns, width // 36))
    down = -(-len(panels) // across)
    fits = max(1, height // 9)
    shown = panels[: across * min(down, fits)]
    rows = -(-len(shown) // across)
    each = (height - (1 if len(shown) < len(panels) else 0)) // rows
    lines: list[str] = []
    for row in range(rows):
        blocks = [
            panel_lines(panel, width // across, each, look)
            for panel in shown[row * across : (row + 1) * across]
        ]
        lines += _side_by_side(blocks, width // across)
    if hidden := [panel.title or panel.y_label for panel in panels[len(shown) :]]:
        lines.append(f"(no room for: {', '.join(hidden)})")
    return lines


def panel_lines(panel: Panel, width: int, height: int, look: Look) -> list[str]:
    """Draw one panel with its title; "nothing yet" where there is no value."""
    title = [panel.title[:width]] if panel.title else [panel.y_label[:width]]
    if panel.matrix is not None:
        return [*title, *heat_lines(panel.matrix, width, height - 1, look.cursor, look.has_colour)]
    if width < _SMALLEST[0] or height < _SMALLEST[1]:
        return ["no room for a plot"]
    if not any(True for _ in _drawn(panel.series)):
        return [*title, "nothing yet"]
    return [*title, *_plot(panel, width, height - len(title), look)]


def _plot(panel: Panel, width: int, height: int, look: Look) -> list[str]:
    import plotext

    labels, right = _labels(panel, width - MARGIN, height - 2, look)
    canvas: Any = plotext
    canvas.clear_figure()
    canvas.limit_size(False, False)
    canvas.plotsize(width, height)
    canvas.theme("clear")
    canvas.xaxes(True, False)
    canvas.yaxes(True, False)
    canvas.xlim(panel.x_range[0], right)
    canvas.ylim(*panel.y_range)
    ticks = _thinned(panel, width - MARGIN)
    canvas.xticks([tick.at for tick in ticks], [tick.label for tick in ticks])
    canvas.yticks([tick.at for tick in panel.y_ticks], [tick.label for tick in panel.y_ticks])
    for line in panel.references:
        _draw_line(canvas, [line.start, line.end], look, _DIM)
    for series in sorted(panel.series, key=lambda one: one.key == look.focus):
        _draw_series(canvas, series, look)
    for label in labels:
        canvas.text(label.text, label.x, label.y, alignment="left", color=_of(label.key, look))
    _draw_cursor(canvas, panel.series, look)
    text = str(canvas.build())
    canvas.clear_figure()
    return text.rstrip("\n").split("\n") if look.has_colour else _plain(text)


def _draw_series(canvas: Any, series: Series, look: Look) -> None:
    colour = _colour(series, look)
    if series.is_line:
        for run in _runs(series.points):
            _draw_line(canvas, run, look, colour)
    for point in _with_values(series.points):
        if look.with_intervals and point.low is not None and point.high is not None:
            _draw_line(canvas, [(point.x, point.low), (point.x, point.high)], look, colour)
    for status, marker in _markers(series, look):
        those = [p for p in _with_values(series.points) if p.status == status]
        if those:
            xs, ys = [p.x for p in those], [p.y for p in those]
            canvas.scatter(xs, ys, marker=marker, color=colour)


def _markers(series: Series, look: Look) -> list[tuple[str, str]]:
    glyph = series.mark.ascii if look.is_ascii else series.mark.glyph
    return [("measured", glyph), ("stale", "~"), ("suspect", "?")]


def _draw_line(
    canvas: Any, points: Sequence[tuple[float, float]], look: Look, colour: tuple[int, int, int]
) -> None:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    canvas.plot(xs, ys, marker="." if look.is_ascii else "braille", color=colour)


def _draw_cursor(canvas: Any, all_series: Sequence[Series], look: Look) -> None:
    for series, point in _drawn(all_series):
        if look.cursor and point.cell == look.cursor and series.key == (look.focus or series.key):
            marker = "@" if look.is_ascii else "◎"
            canvas.scatter([point.x], [point.y], marker=marker, color=_colour(series, look))


def _labels(panel: Panel, columns: int, lines: int, look: Look) -> tuple[list[Label], float]:
    """Return the labels with their places, and the right end of the x axis that has room."""
    low, high = panel.x_range
    if any(series.is_line for series in panel.series):
        widest = max((len(series.label) for series in panel.series), default=0)
        room = min(widest + 2, columns // 3)
        right = low + (high - low) * columns / max(columns - room, 1)
        return line_ends(panel, right, room, lines), right
    return beside_points(panel, columns, lines), high


def _thinned(panel: Panel, columns: int) -> list[Any]:
    """Leave out ticks whose labels would touch; first and last stay."""
    ticks = list(panel.x_ticks)
    widest = max((len(tick.label) for tick in ticks), default=1) + 1
    step = max(1, math.ceil(len(ticks) * widest / max(columns * 2 // 3, 1)))
    kept = ticks[::step]
    if ticks and kept[-1] is not ticks[-1]:
        kept = [*kept[:-1], ticks[-1]] if step > 1 and len(kept) > 1 else [*kept, ticks[-1]]
    return kept


def _colour(series: Series, look: Look) -> tuple[int, int, int]:
    if look.focus is not None and series.key != look.focus:
        return _DIM
    code = series.mark.colour.lstrip("#")
    return int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16)


def _of(series: Series, look: Look) -> tuple[int, int, int]:
    return _colour(series, look)


def _with_values(points: Sequence[PlotPoint]) -> list[Any]:
    """The points that can be drawn: finite in both directions."""
    return [p for p in points if p.y is not None and math.isfinite(p.y) and math.isfinite(p.x)]


def _drawn(all_series: Sequence[Series]) -> Iterator[tuple[Series, PlotPoint]]:
    for series in all_series:
        for point in _with_values(series.points):
            yield series, point


def _runs(points: Sequence[PlotPoint]) -> list[list[tuple[float, float]]]:
    """Split at gaps: a line never bridges what was not measured."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point.y is None or not math.isfinite(point.y):
            runs.append([])
        else:
            runs[-1].append((point.x, point.y))
    return [run for run in runs if len(run) > 1]


def _side_by_side(blocks: Sequence[Sequence[str]], width: int) -> list[str]:
    if len(blocks) == 1:
        return list(blocks[0])
    tallest = max(len(block) for block in blocks)
    lines = []
    for index in range(tallest):
        pieces = [block[index] if index < len(block) else "" for block in blocks]
        lines.append("".join(_padded(piece, width) for piece in pieces[:-1]) + pieces[-1])
    return lines


def _padded(text: str, width: int) -> str:
    return text + " " * max(0, width - len(_without_colour(text)))


def _without_colour(text: str) -> str:
    from tuilab.contract.foreign import clean

    return clean(text)


def _plain(text: str) -> list[str]:
    return [_without_colour(line).rstrip() for line in text.rstrip("\n").split("\n")]
