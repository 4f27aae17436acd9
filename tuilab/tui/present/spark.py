"""Draws small trends out of rising signs: sparklines and the bars under the grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from tuilab.grid.metrics import HEADLINE, METRICS
from tuilab.grid.states import WITH_RESULT
from tuilab.grid.units import COSINE
from tuilab.store.snapshot import CellView
from tuilab.tui.present.glyphs import Glyphs, level
from tuilab.tui.present.grid_table import Row, peak, series
from tuilab.tui.present.styled_text import Line, Piece, fit, rule

Values = Sequence[float | None]


_TOPS = (0.05, 0.1, 0.2, 0.25, 0.5, 0.75, 1.0)


def ceiling(values: Values) -> float:
    """Return the smallest round share that no value exceeds, so that small rates stay legible."""
    top = max((value for value in values if value is not None), default=1.0)
    return next((step for step in _TOPS if top <= step), 1.0)


_MOST = 6.5 / 7
"""A sparkline stays below the full height: its row would touch the one above."""


def trend_words(metric: str) -> str:
    """Say what range a sparkline has: that of its own row, and always from 0."""
    return "trend 0 ± max" if METRICS[metric].unit.is_diverging else "trend 0-peak"


def sparkline(values: Values, columns: int, metric: str, glyphs: Glyphs) -> Line:
    """Draw a row's values from 0 to its largest: up, and down where below 0; missing is a gap."""
    shown = shrink(values, columns)
    known = [value for value in shown if value is not None]
    low = 0.0 if METRICS[metric].unit.is_diverging else METRICS[metric].unit.low
    top = max((abs(value - low) for value in known), default=0.0) or 1.0
    pieces: list[Piece] = []
    for value in shown:
        sign, role = " ", "trend"
        if value is not None:
            sign, role = _height((value - low) / top * _MOST, glyphs)
        if pieces and pieces[-1][1] == role:
            pieces[-1] = (pieces[-1][0] + sign, role)
        else:
            pieces.append((sign, role))
    return tuple(pieces)


def _height(share: float, glyphs: Glyphs) -> Piece:
    """Return a sign that grows up from the foot of its line, or down from its head below 0."""
    if share >= 0:
        return level(share, glyphs), "trend"
    if glyphs.depths:
        last = len(glyphs.depths) - 1
        return glyphs.depths[min(last, round(-share * last))], "below"
    # There are no blocks that hang: one that stands, with its colours turned over, is one.
    eighths = max(1, min(8, round(-share * 8)))
    return (" " + glyphs.levels)[8 - eighths], "below hang"


def shrink(values: Values, columns: int) -> list[float | None]:
    """Average neighbours until at most ``columns`` values are left; all-missing stays missing."""
    if columns <= 0 or len(values) <= columns:
        return list(values)
    found: list[float | None] = []
    for place in range(columns):
        start, end = place * len(values) // columns, (place + 1) * len(values) // columns
        known = [value for value in values[start:end] if value is not None]
        found.append(sum(known) / len(known) if known else None)
    return found


def bars(
    values: Values,
    height: int,
    pitch: int,
    label: int,
    metric: str,
    glyphs: Glyphs,
    beside: Values = (),
) -> list[Line]:
    """Draw one row's values as bars that stand under their columns; first line is the top.

    They grow from 0: up, and down where values are below it. ``label`` columns at the left carry
    the scale, which is also that of the values that stand ``beside`` them; a missing value leaves
    its column empty.
    """
    unit = METRICS[metric].unit
    low, high = _range([*values, *beside], metric)
    above = height if low >= 0 else 0 if high <= 0 else round(height * high / (high - low))
    above = max(above, 1) if high > 0 else above
    above = min(above, height - 1) if low < 0 else above
    lines: list[Line] = []
    for step in range(above, above - height, -1):
        edge = {above: high, above - height + 1: low}.get(step)
        edge = 0.0 if step == 1 and low < 0 < high else edge
        scale = "" if edge is None else unit.narrow(edge)
        body: list[Piece] = []
        for value in values:
            sign, role = _block(value, step, (above, height - above), (low, high), glyphs)
            thick = max(1, pitch - 2)
            lead = " " * (pitch - thick - (pitch > 3))
            body += [(lead, ""), (sign * thick, role), (" " * (pitch > 3), "")]
        lines.append(((fit(scale.rjust(label - 1) + " ", label, ""), "muted"), *body))
    return lines


def _range(values: Values, metric: str) -> tuple[float, float]:
    """Return the ends of the bars' axis, 0 among them: round, and no wider than the values."""
    unit = METRICS[metric].unit
    if unit.high == math.inf:
        return unit.axis(values)
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    down = -ceiling([-low / -unit.low]) * -unit.low if low < 0 else 0.0
    up = ceiling([high / unit.high]) * unit.high if high > 0 or not down else 0.0
    return down, up


def _block(
    value: float | None,
    step: int,
    rows: tuple[int, int],
    ends: tuple[float, float],
    glyphs: Glyphs,
) -> Piece:
    """Return the sign of a bar in the row that is ``step`` above 0 (0 and less: below it)."""
    if value is None:
        return " ", ""
    is_down = step < 1
    reach, end = (rows[1], ends[0]) if is_down else (rows[0], ends[1])
    is_there = (value < 0) == is_down
    size = max(0.0, min(1.0, value / end)) * reach if is_there and end else 0.0
    filled = size - (-step if is_down else step - 1)
    if filled >= 1:
        return glyphs.full, "below" if is_down else "trend"
    if filled > 0:
        return _height(-filled if is_down else filled, glyphs)
    if step != 1 or value < 0:
        return " ", ""
    return ("_" if glyphs.is_ascii else glyphs.levels[0]), "trend"


class Window(NamedTuple):
    """The part of the columns that the grid shows, so that bars stand under their cells."""

    first: int
    shown: int
    label: int
    pitch: int
    here: int
    """Column under the cursor."""


_PLOT_LEAST = 9
"""Rows that each metric has where several have bars, one beneath the other."""
_PLOTS_MOST = 3


def trajectory(
    row: Row,
    name: str,
    metric: str,
    window: Window,
    height: int,
    columns: int,
    glyphs: Glyphs,
    beside: Row | None = None,
) -> list[Line]:
    """Draw a row's values as bars under their cells, with intervals; other metrics beneath.

    The bars of a row that stands ``beside`` it are on the same scale.
    """
    both = [row, beside] if beside else [row]
    others = [
        key for key in _NEXT if key != metric and any(_known(series(one, key)) for one in both)
    ]
    count = max(1, min(_PLOTS_MOST, height // _PLOT_LEAST, 1 + len(others)))
    shown = [metric, *others[: count - 1]]
    lines: list[Line] = []
    for place, key in enumerate(shown):
        rows = height * (place + 1) // count - height * place // count
        other = series(beside, key) if beside else ()
        lines += _one_plot(row, name, key, window, rows, columns, glyphs, other)
    return lines


def _known(values: Values) -> bool:
    return any(value is not None for value in values)


_NEXT = sorted(
    METRICS,
    key=lambda key: (
        key != HEADLINE,
        METRICS[key].unit is not COSINE,
        not METRICS[key].unit.is_diverging,
    ),
)
"""Metrics in the order in which a row's bars show them: headline, cosine, what else has a sign."""


def _one_plot(
    row: Row,
    name: str,
    metric: str,
    window: Window,
    height: int,
    columns: int,
    glyphs: Glyphs,
    beside: Values,
) -> list[Line]:
    part = slice(window.first, window.first + window.shown)
    values = series(row, metric)[part]
    best = peak(row, metric)
    tail = "" if best is None else f"peak {METRICS[metric].unit.narrow(best[0])}"
    lines = [rule(f"{name}  {METRICS[metric].short}", tail, columns, glyphs.stroke)]
    if all(value is None for value in values):
        return [*lines, ((" nothing measured yet", "muted"),)]
    limits = _limits(row.cells[part], metric, window) if height >= _WITH_LIMITS else []
    tall = height - 1 - len(limits)
    return lines + bars(values, tall, window.pitch, window.label, metric, glyphs, beside) + limits


_WITH_LIMITS = 9
"""Rows of a plot from which its intervals are written beneath it."""


def _limits(cells: Sequence[CellView | None], metric: str, window: Window) -> list[Line]:
    """Write both ends of each rate's 95% interval under its bar; [] without room or counts."""
    from tuilab.science.questions import interval_of

    unit = METRICS[metric].unit
    found = [
        interval_of(view.metrics.get(metric))
        if view is not None and view.state in WITH_RESULT
        else None
        for view in cells
    ]
    if window.pitch < 5 or not any(found):
        return []
    ends = (("95% to", "high"), ("95% from", "low"))
    lines: list[Line] = []
    for word, end in ends:
        texts = ["" if one is None else unit.narrow(getattr(one, end)) for one in found]
        text = "".join(text.rjust(window.pitch) for text in texts)
        lines.append(
            ((fit(word.rjust(window.label - 1) + " ", window.label, ""), "muted"), (text, "muted"))
        )
    return lines
