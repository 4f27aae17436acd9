"""Draws small trends out of rising signs: sparklines and the bars under the grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tuilab.grid.metrics import METRICS
from tuilab.tui.present.glyphs import Glyphs, level
from tuilab.tui.present.grid_table import Row, peak, series
from tuilab.tui.present.styled_text import Line, fit, rule

Values = Sequence[float | None]


_TOPS = (0.05, 0.1, 0.2, 0.25, 0.5, 0.75, 1.0)


def ceiling(values: Values) -> float:
    """Return the smallest round share that no value exceeds, so that small rates stay legible."""
    top = max((v for v in values if v is not None and math.isfinite(v)), default=1.0)
    return next((step for step in _TOPS if top <= step), 1.0)


def sparkline(values: Values, columns: int, metric: str, glyphs: Glyphs) -> str:
    """Draw values as heights on the metric's scale; a missing value is a gap."""
    low, high = METRICS[metric].unit.axis(values)
    signs = []
    for value in shrink(values, columns):
        if value is None or not math.isfinite(value):
            signs.append(" ")
        else:
            signs.append(level((value - low) / (high - low), glyphs))
    return "".join(signs)


def shrink(values: Values, columns: int) -> list[float | None]:
    """Average neighbours until at most ``columns`` values are left; all-missing stays missing."""
    if columns <= 0 or len(values) <= columns:
        return list(values)
    found: list[float | None] = []
    for place in range(columns):
        start, end = place * len(values) // columns, (place + 1) * len(values) // columns
        known = [v for v in values[start:end] if v is not None and math.isfinite(v)]
        found.append(sum(known) / len(known) if known else None)
    return found


def bars(
    values: Values, height: int, pitch: int, label: int, metric: str, glyphs: Glyphs
) -> list[Line]:
    """Draw one row's values as bars that stand under their columns; first line is the top.

    ``label`` columns at the left carry the scale; a missing value leaves its column empty.
    """
    unit = METRICS[metric].unit
    low, high = unit.axis(values)
    if unit.is_rate:
        high = ceiling(values)
    thick = max(1, pitch - 2)
    lines: list[Line] = []
    for step in range(height, 0, -1):
        edge = high if step == height else low if step == 1 else None
        scale = "" if edge is None else unit.narrow(edge)
        text = "".join(
            (_block(value, step, height, low, high, glyphs) * thick).rjust(pitch - (pitch > 3))
            + " " * (pitch > 3)
            for value in values
        )
        lines.append(((fit(scale.rjust(label - 1) + " ", label, ""), "muted"), (text, "trend")))
    return lines


def _block(
    value: float | None, step: int, height: int, low: float, high: float, glyphs: Glyphs
) -> str:
    if value is None or not math.isfinite(value):
        return " "
    filled = max(0.0, min(1.0, (value - low) / (high - low))) * height - (step - 1)
    if filled >= 1:
        return glyphs.full
    if filled <= 0:
        return "_" if step == 1 and glyphs.is_ascii else (glyphs.levels[0] if step == 1 else " ")
    return level(filled, glyphs)


@dataclass(frozen=True, slots=True)
class Window:
    """The part of the columns that the grid shows, so that bars stand under their cells."""

    first: int
    shown: int
    label: int
    pitch: int
    here: int
    """Column under the cursor."""


def trajectory(
    row: Row,
    name: str,
    metric: str,
    window: Window,
    height: int,
    columns: int,
    glyphs: Glyphs,
) -> list[Line]:
    """Draw a row's values as bars below the grid, under a rule with the row's name."""
    values = series(row, metric)[window.first : window.first + window.shown]
    best = peak(row, metric)
    tail = "" if best is None else f"peak {METRICS[metric].unit.narrow(best[0])}"
    lines = [rule(f"{name}  {METRICS[metric].short}", tail, columns, glyphs.stroke)]
    if all(value is None for value in values):
        return [*lines, ((" nothing measured yet", "muted"),)]
    return lines + bars(values, height - 1, window.pitch, window.label, metric, glyphs)
