"""Prepares the figures whose x axis is the epoch."""

from collections.abc import Sequence
from dataclasses import replace

from tuilab.science.analysis import Analysis, SourceResult
from tuilab.science.classify import Change
from tuilab.science.figures.axes import (
    epoch_range,
    epoch_ticks,
    mark,
    percent_axis,
    signed_axis,
)
from tuilab.science.figures.captions import (
    edits_note,
    interval_note,
    join,
    label_of,
    left_out_note,
    seeds_note,
)
from tuilab.science.figures.model import Figure, Panel, Reference, Series, plot_point, rows_of
from tuilab.science.trajectories import Trajectory

EPOCH = "Convergence epoch"


def leakage(analysis: Analysis) -> Figure:
    """Leakage of every source over the epochs, one panel."""
    panels = (_leakage_panel(analysis, analysis.sources),)
    title = f"Marker leakage to {analysis.design.target.label} over convergence"
    return _figure("leakage", title, panels, analysis, interval_note(analysis))


def leakage_over_cosine(analysis: Analysis) -> Figure:
    """Leakage above, cosine below, over the same epochs."""
    panels = (_leakage_panel(analysis, analysis.sources), _cosine_panel(analysis))
    target = analysis.design.target.label
    title = f"Marker leakage to {target} (top) and cosine to {target} (bottom)"
    note = join(interval_note(analysis), _no_cosine(analysis))
    return _figure("leakage-cosine", title, panels, analysis, note)


def cosine(analysis: Analysis) -> Figure:
    """Cosine of every source over the epochs, on one scale."""
    title = f"Cosine to {analysis.design.target.label} over convergence"
    note = join(_cosine_intervals(analysis), _no_cosine(analysis))
    return _figure("cosine", title, (_cosine_panel(analysis),), analysis, note)


def grouped(analysis: Analysis) -> Figure:
    """Small multiples of leakage, one panel per class that occurs, on one y axis."""
    groups = [(change, analysis.having(change)) for change in Change]
    shown = [(change, results) for change, results in groups if results]
    y_range, y_ticks = percent_axis(
        [_leakage_series(analysis, result) for result in analysis.sources]
    )
    panels = tuple(
        replace(
            _leakage_panel(analysis, results, f"{change.value.capitalize()} ({len(results)})"),
            y_range=y_range,
            y_ticks=y_ticks,
        )
        for change, results in shown
    )
    title = f"Marker leakage to {analysis.design.target.label}, by class"
    columns = len(panels) if len(panels) < 4 else 2
    note = join(interval_note(analysis), "Classes: Fisher against epoch 0, Holm over checkpoints")
    return _figure("grouped", title, panels, analysis, note, columns)


def _figure(
    kind: str,
    title: str,
    panels: tuple[Panel, ...],
    analysis: Analysis,
    note: str,
    columns: int = 1,
) -> Figure:
    full = join(note, edits_note(analysis), seeds_note(analysis), left_out_note(panels))
    return Figure(kind, title, panels, columns, full, rows_of(panels))


def _leakage_series(analysis: Analysis, result: SourceResult) -> Series:
    return _series(analysis, result, result.leakage, 100.0)


def _series(
    analysis: Analysis, result: SourceResult, trajectory: Trajectory, unit: float
) -> Series:
    key = result.source.key
    return Series(
        key,
        label_of(result),
        mark(analysis.sources.index(result)),
        tuple(plot_point(key, trajectory.seed, point, unit) for point in trajectory.points),
    )


def _leakage_panel(analysis: Analysis, results: Sequence[SourceResult], title: str = "") -> Panel:
    series = tuple(_leakage_series(analysis, result) for result in results)
    y_range, y_ticks = percent_axis(series)
    epochs = analysis.design.epochs
    return Panel(
        title=title,
        x_label=EPOCH,
        y_label=f"{analysis.design.target.label} completions with the marker (%)",
        series=series,
        x_ticks=epoch_ticks(epochs),
        y_ticks=y_ticks,
        x_range=epoch_range(epochs),
        y_range=y_range,
    )


def _cosine_panel(analysis: Analysis) -> Panel:
    series = tuple(
        _series(analysis, result, result.cosine, 1.0)
        for result in analysis.sources
        if any(point.value is not None for point in result.cosine.points)
    )
    y_range, y_ticks = signed_axis(series)
    epochs = analysis.design.epochs
    x_range = epoch_range(epochs)
    scale = f" ({analysis.scale})" if analysis.scale else ""
    return Panel(
        title="",
        x_label=EPOCH,
        y_label=f"Cosine to {analysis.design.target.label}{scale}",
        series=series,
        x_ticks=epoch_ticks(epochs),
        y_ticks=y_ticks,
        x_range=x_range,
        y_range=y_range,
        references=(Reference((x_range[0], 0.0), (x_range[1], 0.0)),),
    )


def _no_cosine(analysis: Analysis) -> str:
    labels = [
        result.source.label
        for result in analysis.sources
        if all(point.value is None for point in result.cosine.points)
    ]
    return f"No cosine (n/a): {', '.join(labels)}" if labels else ""


def _cosine_intervals(analysis: Analysis) -> str:
    return "" if len(analysis.design.seeds) > 1 else "Cosines carry no interval with one seed"
