"""What a figure is, before anyone draws it: both renderers draw exactly these values."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import pandas as pd

from tuilab.science.trajectories import Point


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
    matrix: Matrix | None = None
    """Set for a heatmap, and then ``series`` is empty."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """Everything a renderer needs; it decides nothing about data."""

    kind: str
    """One of ``figures.prepare.KINDS``; also the file name."""
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


POINT_FIELDS: Final = tuple(one.name for one in fields(PlotPoint))
"""Every value of a drawn point, in order."""

ROW_COLUMNS: Final = ("panel", "source", "label", *POINT_FIELDS)
"""Columns of a trajectory's or scatter's saved rows."""


def rows_of(panels: Sequence[Panel]) -> pd.DataFrame:
    """List every point or square drawn; gaps are listed too, with an empty y."""
    rows: list[tuple[object, ...]] = []
    for panel in panels:
        name = panel.title or panel.y_label
        for series in panel.series:
            rows += [(name, series.key, series.label, *_values(point)) for point in series.points]
    frame = pd.DataFrame(rows, columns=list(ROW_COLUMNS))
    return frame.astype({"hits": "Int64", "n": "Int64"})


def matrix_rows(panels: Sequence[Panel]) -> pd.DataFrame:
    """List every square of the panels' heatmaps."""
    rows = [
        (panel.title, key, label, column, square.value, square.status, square.cell)
        for panel in panels
        if panel.matrix is not None
        for key, label, squares in zip(
            panel.matrix.keys, panel.matrix.rows, panel.matrix.cells, strict=True
        )
        for column, square in zip(panel.matrix.columns, squares, strict=True)
    ]
    names = ["panel", "source", "label", "persona", "value", "status", "cell"]
    return pd.DataFrame(rows, columns=names)


def _values(point: PlotPoint) -> tuple[object, ...]:
    return tuple(getattr(point, name) for name in POINT_FIELDS)


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
