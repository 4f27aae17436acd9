"""Prepares the figures in which a source is one point."""

from collections.abc import Callable

from tuilab.science.analysis import Analysis, SourceResult
from tuilab.science.claims.evaluate_cosine import describe
from tuilab.science.claims.prediction import predictions
from tuilab.science.figures.axes import mark, percent_axis, signed_span
from tuilab.science.figures.captions import edits_note, join, label_of, seeds_note
from tuilab.science.figures.model import (
    Figure,
    Panel,
    PlotPoint,
    Reference,
    Series,
    cell_name,
    rows_of,
)
from tuilab.science.text import names
from tuilab.science.trajectories import Point


def cosine_against_peak(analysis: Analysis) -> Figure:
    """Cosine at epoch 0 against peak leakage, with the rank correlation in the caption."""
    series, _ = _series(analysis, lambda result: result.cosine.baseline)
    xs = [point.x for one in series for point in one.points]
    x_range, x_ticks = signed_span([0.0, *xs])
    y_range, y_ticks = percent_axis(series)
    scale = f" ({analysis.scale})" if analysis.scale else ""
    panel = Panel(
        title="",
        x_label=f"Cosine to {analysis.design.target.label} at epoch 0{scale}",
        y_label="Peak leakage (%)",
        series=series,
        x_ticks=x_ticks,
        y_ticks=y_ticks,
        x_range=x_range,
        y_range=y_range,
    )
    found = next(one for one in predictions(analysis) if one.y == "peak")
    words = describe(found, analysis)
    note = join(words[:1].upper() + words[1:], _picked(analysis))
    return _figure("cosine-peak", "Cosine at epoch 0 against peak leakage", panel, analysis, note)


def baseline_against_peak(analysis: Analysis) -> Figure:
    """Leakage at epoch 0 against peak leakage; on the diagonal nothing was gained."""

    def percent_at_start(result: SourceResult) -> float | None:
        baseline = result.leakage.baseline
        return None if baseline is None else baseline * 100

    series, absent = _series(analysis, percent_at_start)
    y_range, y_ticks = percent_axis(series)
    panel = Panel(
        title="",
        x_label="Leakage at epoch 0 (%)",
        y_label="Peak leakage (%)",
        series=series,
        x_ticks=y_ticks,
        y_ticks=y_ticks,
        x_range=y_range,
        y_range=y_range,
        references=(Reference((0.0, 0.0), (y_ticks[-1].at, y_ticks[-1].at), "no change"),),
    )
    without = f"Not measured: {names(absent)}" if absent else ""
    note = join(_picked(analysis), without)
    title = "Leakage at epoch 0 against peak leakage"
    return _figure("baseline-peak", title, panel, analysis, note)


def _figure(kind: str, title: str, panel: Panel, analysis: Analysis, note: str) -> Figure:
    nothing = "" if panel.series else "Nothing to draw yet: no source has both values"
    full = join(note, edits_note(analysis), seeds_note(analysis), nothing)
    return Figure(kind, title, (panel,), 1, full, rows_of((panel,)))


def _series(
    analysis: Analysis, x_of: Callable[[SourceResult], float | None]
) -> tuple[tuple[Series, ...], list[str]]:
    """One single-point series per source that has both values, and the labels of the others."""
    series, absent = [], []
    for index, result in enumerate(analysis.sources):
        x, top = x_of(result), result.leakage.peak_point
        if x is None or top is None:
            absent.append(result.source.label)
            continue
        point = _point(result, x, top)
        series.append(
            Series(result.source.key, label_of(result), mark(index), (point,), is_line=False)
        )
    return tuple(series), absent


def _point(result: SourceResult, x: float, top: Point) -> PlotPoint:
    interval = top.interval
    return PlotPoint(
        x=x,
        y=None if top.value is None else top.value * 100,
        low=None if interval is None else interval.low * 100,
        high=None if interval is None else interval.high * 100,
        cell=cell_name(result.source.key, top.epoch, result.leakage.seed),
        interval="" if interval is None else interval.method,
        hits=top.hits,
        n=top.n,
        seeds=f"{top.seeds}/{top.seeds_planned}",
        edits=top.edits,
    )


def _picked(analysis: Analysis) -> str:
    picked = {result.leakage.picked_from for result in analysis.sources} - {0}
    if not picked:
        return ""
    several = f"{min(picked)} to {max(picked)}" if len(picked) > 1 else str(max(picked))
    return (
        f"Each peak is the largest of {several} checkpoints, so it is biased upward;"
        " bars are 95% intervals that ignore the picking"
    )
