"""Chooses marks, ticks and ranges, so that every figure of an experiment looks alike."""

import math
from collections.abc import Iterable, Sequence
from typing import Final

from tuilab.science.figures.model import Mark, PlotPoint, Series, Tick

COLOURS: Final = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
"""Okabe & Ito 2008 without yellow and black, which vanish on white and on black ground."""

SHAPES: Final = (
    ("●", "o", "o"),
    ("■", "#", "s"),
    ("▲", "^", "^"),
    ("◆", "*", "D"),
    ("▼", "v", "v"),
    ("✚", "+", "P"),
    ("✖", "x", "X"),
    ("★", "%", "*"),
)
"""Terminal glyph, ASCII glyph, matplotlib marker. Eight shapes and seven colours: 56 pairs."""


def mark(index: int) -> Mark:
    """Mark of the ``index``-th source of a design; the first 56 differ from one another."""
    glyph, plain, marker = SHAPES[index % len(SHAPES)]
    return Mark(glyph, plain, marker, COLOURS[index % len(COLOURS)])


def epoch_ticks(epochs: Sequence[int], at_most: int = 12) -> tuple[Tick, ...]:
    """Ticks at real epochs; evenly thinned when there are many, first and last always kept."""
    step = math.ceil((len(epochs) - 1) / (at_most - 1)) if len(epochs) > at_most else 1
    kept = list(epochs[::step])
    if kept[-1] != epochs[-1]:
        # The last epoch replaces a neighbour that would crowd it.
        kept = [*kept[:-1], epochs[-1]] if len(kept) > 1 else [*kept, epochs[-1]]
    return tuple(Tick(float(epoch), str(epoch)) for epoch in kept)


def epoch_range(epochs: Sequence[int]) -> tuple[float, float]:
    """Ends of an epoch axis, with room for half a point at either end."""
    span = max(epochs[-1] - epochs[0], 1)
    return epochs[0] - 0.02 * span, epochs[-1] + 0.02 * span


def percent_axis(series: Iterable[Series]) -> tuple[tuple[float, float], tuple[Tick, ...]]:
    """Range from just below 0 to the next round value above every interval, with its ticks."""
    top = max((value for one in series for value in _heights(one.points)), default=0.0)
    step = next((size for size in (2.0, 5.0, 10.0) if top <= 5 * size), 20.0)
    end = max(step * math.ceil(round(top / step, 9)), step)
    # A little room on both sides, so that a point at 0 or at the top is drawn whole.
    return (-0.02 * end, 1.02 * end), round_ticks(0.0, end, step)


def signed_axis(series: Iterable[Series]) -> tuple[tuple[float, float], tuple[Tick, ...]]:
    """Range around every value, 0 included, in steps of 0.1 or 0.2, with its ticks."""
    values = [0.0, *(value for one in series for value in _heights(one.points))]
    return signed_span(values)


def signed_span(values: Sequence[float]) -> tuple[tuple[float, float], tuple[Tick, ...]]:
    """Round range holding ``values``, which lie in -1..1, and its ticks."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    step = 0.2 if high - low > 0.6 else 0.1
    start = round(step * math.floor(low / step - 1e-9), 6)
    end = round(step * math.ceil(high / step + 1e-9), 6)
    return (start, end), round_ticks(start, end, step)


def round_ticks(start: float, end: float, step: float) -> tuple[Tick, ...]:
    """Ticks every ``step`` from start to end, labelled without binary noise."""
    count = round((end - start) / step)
    places = [round(start + step * index, 6) + 0.0 for index in range(count + 1)]
    return tuple(Tick(place, f"{place:g}") for place in places)


def _heights(points: Iterable[PlotPoint]) -> list[float]:
    return [
        value for point in points for value in (point.y, point.low, point.high) if value is not None
    ]
