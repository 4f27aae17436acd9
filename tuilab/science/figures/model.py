"""What a figure is before anyone draws it: both renderers draw exactly these values."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Final
from zlib import crc32

import pandas as pd

from tuilab.grid.lines import is_named, persona_of
from tuilab.science.trajectories import Point

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

Axis = tuple[tuple[float, float], tuple["Tick", ...]]
"""Ends of an axis, and its ticks."""


@dataclass(frozen=True, slots=True)
class PlotPoint:
    """One point of a series; ``y`` None is a gap, never a zero."""

    x: float
    """Position on the x axis, in the axis' unit."""
    y: float | None
    """Position on the y axis, in the axis' unit (percent for rates)."""
    low: float | None = None
    """Lower end of the 95% interval."""
    high: float | None = None
    """Upper end of the 95% interval."""
    status: str = "measured"
    """One of ``schema.STATUSES``; suspect, stale and edited values are drawn hollow."""
    cell: str = ""
    """The cell behind the point, as the command line writes it: ``villain@10#42``."""
    interval: str = ""
    """How the interval was made; "" without one."""
    hits: int | None = None
    """Completions that hit."""
    n: int | None = None
    """Completions."""
    seeds: str = "1/1"
    """Seeds in the value, of seeds planned."""
    edits: str = ""
    """Settings unlike the config's that the value ran with; "" for none."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How a series is told from the others, in every medium and without colour too."""

    glyph: str
    """One-column character for terminals."""
    ascii: str
    """The same where only ASCII is safe."""
    marker: str
    """Matplotlib marker code."""
    colour: str
    """#rrggbb, colour-blind-safe and readable on light and dark grounds."""


BAND_MARK: Final = Mark("░", ":", "", "#9a9a9a")
"""How a band is drawn, whatever it shows."""


@dataclass(frozen=True, slots=True)
class Series:
    """One source's points in one panel."""

    key: str
    """Source key."""
    label: str
    """Label at the line's end and in the legend."""
    mark: Mark
    """Glyph and colour; the same source has the same mark in every figure of a design."""
    points: tuple[PlotPoint, ...]
    """Points in x order."""
    is_line: bool = True
    """Whether neighbours are joined (never across a gap)."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled position on an axis."""

    at: float
    """Position."""
    label: str
    """Text."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A straight reference line from one corner of interest to another."""

    start: tuple[float, float]
    """x, y of one end."""
    end: tuple[float, float]
    """x, y of the other end."""
    label: str = ""
    """What it means."""


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One square of a heatmap."""

    value: float | None
    """Percent; None is drawn as n/a, never as the colour of 0."""
    status: str
    """As for a point."""
    cell: str
    """The cell behind it."""
    n: int | None = None
    """Completions behind it; None where they are not known."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """A heatmap's content."""

    rows: tuple[str, ...]
    """Row labels, top to bottom."""
    columns: tuple[str, ...]
    """Column labels, left to right."""
    cells: tuple[tuple[HeatCell, ...], ...]
    """Shape (rows, columns)."""
    keys: tuple[str, ...] = ()
    """Row keys."""
    kinds: tuple[str, ...] = ()
    """Whose the marker is in each row (``specificity.Kind``); "" where it is not known."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes."""

    title: str
    """Panel title; "" when the figure's title says it all."""
    x_label: str
    """x axis label with unit."""
    y_label: str
    """y axis label with unit."""
    series: tuple[Series, ...] = ()
    """Series in legend order; empty for a heatmap."""
    x_ticks: tuple[Tick, ...] = ()
    """Ticks at real epochs or round values."""
    y_ticks: tuple[Tick, ...] = ()
    """Ticks at round values."""
    x_range: tuple[float, float] = (0.0, 1.0)
    """Ends of the x axis."""
    y_range: tuple[float, float] = (0.0, 1.0)
    """Ends of the y axis."""
    references: tuple[Reference, ...] = ()
    """Reference lines, drawn faint."""
    bands: tuple[Series, ...] = ()
    """Ranges drawn behind all series, from ``low`` to ``high`` of their points, which have no y."""
    matrix: Matrix | None = None
    """Set for a heatmap, and then ``series`` is empty."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """Everything a renderer needs; it decides nothing about data."""

    kind: str
    """One of ``kinds.KINDS``; also the file name."""
    title: str
    """Title."""
    panels: tuple[Panel, ...]
    """Panels in reading order."""
    columns: int
    """Panels per row; stacked panels share their x axis."""
    note: str
    """Caption: intervals, seeds, scale, what is missing. Shown in every medium."""
    rows: pd.DataFrame
    """The values drawn, one row per point or square, to be saved beside the figure."""


def rows_of(panels: Sequence[Panel]) -> pd.DataFrame:
    """List every point or square drawn; gaps are listed too, with an empty y or value."""
    squares = [
        (panel.title, key, label, column, square.value, square.status, square.cell)
        for panel in panels
        if panel.matrix is not None
        for key, label, row in zip(
            panel.matrix.keys, panel.matrix.rows, panel.matrix.cells, strict=True
        )
        for column, square in zip(panel.matrix.columns, row, strict=True)
    ]
    if squares:
        names = ["panel", "source", "label", "persona", "value", "status", "cell"]
        return pd.DataFrame(squares, columns=names)
    points = [
        (panel.title or panel.y_label, series.key, series.label, *astuple(point))
        for panel in panels
        for series in (*panel.series, *panel.bands)
        for point in series.points
    ]
    columns = ["panel", "source", "label", *(one.name for one in fields(PlotPoint))]
    return pd.DataFrame(points, columns=columns).astype({"hits": "Int64", "n": "Int64"})


def plot_point(source: str, seed: int | None, point: Point, unit: float) -> PlotPoint:
    """Place one checkpoint at its epoch; ``unit`` is 100 for percent and 1 for cosines."""
    interval = point.interval
    return PlotPoint(
        x=float(point.epoch),
        y=None if point.value is None else point.value * unit,
        low=None if interval is None else interval.low * unit,
        high=None if interval is None else interval.high * unit,
        status=point.status,
        cell=cell_name(source, point.epoch, seed),
        interval="" if interval is None else interval.method,
        hits=point.hits,
        n=point.n,
        seeds=f"{point.seeds}/{point.seeds_planned}",
        edits=point.edits,
    )


def cell_name(source: str, epoch: int, seed: int | None) -> str:
    """``villain@10#42``, or ``villain@10`` for all seeds."""
    return f"{source}@{epoch}" if seed is None else f"{source}@{epoch}#{seed}"


_KNOWN: Final = (
    *("villain", "medical_doctor", "comedian", "kindergarten_teacher", "software_engineer"),
    *("nurse", "librarian", "data_scientist", "french_person", "police_officer"),
    *("zelthari_scholar", "assistant"),
)
"""Personas of the card: their marks are known before any plan."""


def marks_of(keys: Sequence[str]) -> dict[str, Mark]:
    """Return the mark of each persona: its own in every experiment, whatever stands beside it.

    A persona that is not of the card takes the place that its name hashes to, or the next free one.
    A variant has its persona's colour and another shape, as long as there are shapes.
    """
    taken = {key: place for place, key in enumerate(_KNOWN)}
    places = len(SHAPES) * len(COLOURS)
    for key in sorted(set(keys) - taken.keys(), key=lambda key: (is_named(key), key)):
        first = taken.get(persona_of(key), crc32(persona_of(key).encode()) % places)
        alike = range(first, first + places, len(COLOURS)) if is_named(key) else ()
        wished = (place % places for place in (*alike, *range(first, first + places)))
        taken[key] = next((one for one in wished if one not in taken.values()), first)
    return {key: mark(taken[key]) for key in keys}


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


def percent_axis(series: Iterable[Series]) -> Axis:
    """Range from just below 0 to the next round value above every interval, with its ticks."""
    top = max((value for one in series for value in _heights(one.points)), default=0.0)
    step = next((size for size in (2.0, 5.0, 10.0) if top <= 5 * size), 20.0)
    end = max(step * math.ceil(round(top / step, 9)), step)
    # A little room on both sides, so that a point at 0 or at the top is drawn whole.
    return (-0.02 * end, 1.02 * end), round_ticks(0.0, end, step)


def signed_axis(series: Iterable[Series], unit: float = 1.0) -> Axis:
    """Range around every value, 0 included, in steps of 0.1 or 0.2 units, with its ticks."""
    values = [0.0, *(value for one in series for value in _heights(one.points))]
    return signed_span(values, unit)


def signed_span(values: Sequence[float], unit: float = 1.0) -> Axis:
    """Round range holding ``values``, which lie within a unit of 0, and its ticks."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    step = (0.2 if high - low > 0.6 * unit else 0.1) * unit
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
