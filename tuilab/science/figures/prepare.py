"""The one place that decides what each figure shows; renderers draw what they are given."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from tuilab.grid.edits import EDITED
from tuilab.grid.lines import persona_of
from tuilab.grid.signs import ACCEPTED
from tuilab.grid.text import count_of, nearest
from tuilab.science.against import Against, compare, first_against
from tuilab.science.analysis import Analysis, SourceResult
from tuilab.science.claims.correlations import describe, predictions
from tuilab.science.classify import Change
from tuilab.science.design import BASELINE_EPOCH, Persona
from tuilab.science.edit_notes import edits_notes
from tuilab.science.figures.kinds import KINDS
from tuilab.science.figures.model import (
    BAND_MARK,
    Axis,
    Figure,
    HeatCell,
    Mark,
    Matrix,
    Panel,
    PlotPoint,
    Reference,
    Series,
    cell_name,
    epoch_range,
    epoch_ticks,
    marks_of,
    percent_axis,
    plot_point,
    rows_of,
    signed_axis,
    signed_span,
)
from tuilab.science.seeds import mean_trajectory, runs_of
from tuilab.science.specificity import Kind
from tuilab.science.text import full_sentence, names
from tuilab.science.trajectories import Point, Trajectory, rate_trajectories

_ASKED: Final = "Evaluated persona"
_PEAK: Final = "Peak leakage (%)"
_HOLLOW: Final = ("suspect", "stale", "edited")
"""Statuses of values that are drawn and enter no number."""


def figure(kind: str, analysis: Analysis) -> Figure:
    """Prepare one figure; an experiment without values gives empty panels and says so.

    Raises:
        ValueError: for an unknown kind, naming the nearest.
    """
    if kind not in FIGURES:
        hint = nearest(kind, KINDS) or f": use {', '.join(KINDS)}"
        raise ValueError(f"There is no figure {kind!r}{hint}")
    return FIGURES[kind](analysis)


def leakage(analysis: Analysis) -> Figure:
    """Leakage of every source over the epochs, one panel."""
    panels = (_leakage_panel(analysis, analysis.sources),)
    title = f"{_what(analysis)} leakage to {analysis.design.target.label} over convergence"
    note = _join(_interval_note(analysis), _band_note(panels))
    return _figure("leakage", title, panels, analysis, note, _gaps_note(panels))


def leakage_over_cosine(analysis: Analysis) -> Figure:
    """Leakage above, cosine below, over the same epochs."""
    panels = (_leakage_panel(analysis, analysis.sources), _cosine_panel(analysis))
    target = analysis.design.target.label
    title = f"{_what(analysis)} leakage to {target} (top) and cosine to {target} (bottom)"
    note = _join(_interval_note(analysis), _band_note(panels), _no_cosine(analysis))
    return _figure("leakage-cosine", title, panels, analysis, note, _gaps_note(panels))


def cosine(analysis: Analysis) -> Figure:
    """Cosine of every source over the epochs, on one scale."""
    panels = (_cosine_panel(analysis),)
    title = f"Cosine to {analysis.design.target.label} over convergence"
    several = len(analysis.design.seeds) > 1
    no_interval = "" if several else "With one seed, cosines have no interval"
    note = _join(no_interval, _no_cosine(analysis))
    return _figure("cosine", title, panels, analysis, note, _gaps_note(panels))


def grouped(analysis: Analysis) -> Figure:
    """Small multiples of leakage, one panel per class that occurs, on one y axis."""
    own = [
        _leakage_panel(analysis, results, f"{change.value.capitalize()} ({len(results)})")
        for change in Change
        if (results := analysis.having(change))
    ]
    drawn = [series for panel in own for series in (*panel.series, *panel.bands)]
    y_range, y_ticks = percent_axis(drawn)
    panels = tuple(replace(panel, y_range=y_range, y_ticks=y_ticks) for panel in own)
    title = f"{_what(analysis)} leakage to {analysis.design.target.label}, by class"
    classes = "Classes allow for training noise as far as it is known; the table says which"
    note = _join(_interval_note(analysis), _band_note(panels), classes)
    columns = len(panels) if len(panels) < 4 else 2
    return _figure("grouped", title, panels, analysis, note, _gaps_note(panels), columns)


def cosine_against_peak(analysis: Analysis) -> Figure:
    """Cosine at epoch 0 against peak leakage, with the rank correlation in the caption."""
    series, _ = _peaks(analysis, lambda result: result.cosine.baseline)
    xs = [point.x for one in series for point in one.points]
    scale = f" ({analysis.scale})" if analysis.scale else ""
    label = f"Cosine to {analysis.design.target.label} at epoch 0{scale}"
    panel = _panel("", (label, signed_span([0.0, *xs])), _PEAK, percent_axis(series), series)
    found = next(one for one in predictions(analysis) if one.y == "peak")
    note = _join(full_sentence(describe(found, analysis)), _picked(analysis))
    title = "Cosine at epoch 0 against peak leakage"
    return _figure("cosine-peak", title, (panel,), analysis, note, _nothing(series))


def baseline_against_peak(analysis: Analysis) -> Figure:
    """Leakage at epoch 0 against peak leakage; on the diagonal nothing was gained."""

    def percent_at_start(result: SourceResult) -> float | None:
        baseline = result.leakage.baseline
        return None if baseline is None else baseline * 100

    series, absent = _peaks(analysis, percent_at_start)
    axis = percent_axis(series)
    top = axis[1][-1].at
    panel = _panel("", ("Leakage at epoch 0 (%)", axis), _PEAK, axis, series)
    panel = replace(panel, references=(Reference((0.0, 0.0), (top, top), "no change"),))
    note = _join(_picked(analysis), f"Not measured: {names(absent)}" if absent else "")
    title = "Leakage at epoch 0 against peak leakage"
    return _figure("baseline-peak", title, (panel,), analysis, note, _nothing(series))


def heatmap(analysis: Analysis) -> Figure:
    """Marker rate of every evaluated persona for every source, at epoch 0 and at the last epoch.

    Sources that are not in the evaluated panel get a column too, so that a source's own rate
    (the diagonal) is n/a in plain sight instead of being absent.
    """
    design, columns, kinds = analysis.design, _personas(analysis), _kinds(analysis)
    tables = [rate_trajectories(analysis.frame, design, persona=one.key) for one in columns]
    means = [
        [mean_trajectory(runs_of(table, design, source.key)) for table in tables]
        for source in design.sources
    ]
    panels = tuple(
        Panel(
            f"Epoch {epoch}",
            _ASKED,
            "Source",
            matrix=Matrix(
                rows=tuple(_label(result) for result in analysis.sources),
                columns=tuple(persona.label for persona in columns),
                cells=tuple(tuple(_square(one, epoch) for one in row) for row in means),
                keys=tuple(source.key for source in design.sources),
                kinds=tuple(kinds.get((one.key, epoch), "") for one in design.sources),
            ),
        )
        for epoch in dict.fromkeys((BASELINE_EPOCH, design.final_epoch))
        if epoch in design.epochs
    )
    said = f"Percent of {design.counted}, by the persona asked"
    note = _join(said, _empty_squares(panels))
    return _figure(
        "heatmap", f"{_what(analysis)} rate by source and persona", panels, analysis, note
    )


def source_heatmap(analysis: Analysis, key: str) -> Figure:
    """Marker rate of every evaluated persona at every epoch of one source.

    Raises:
        ValueError: when the source is not in the plan.
    """
    result = analysis.source(key)
    if result is None:
        known = ", ".join(one.source.key for one in analysis.sources)
        raise ValueError(f"There is no source {key!r}: use {known}")
    alone = replace(analysis.design, sources=(result.source,))
    frame = analysis.frame[analysis.frame["source"] == key]
    design, columns, kinds = analysis.design, _personas(analysis), _kinds(analysis)
    means = [
        mean_trajectory(runs_of(rate_trajectories(frame, alone, persona=one.key), alone, key))
        for one in columns
    ]
    label = result.source.label
    panel = Panel(
        f"{label}: {design.counted} (%), by the persona asked",
        _ASKED,
        "Epoch",
        matrix=Matrix(
            rows=tuple(f"epoch {epoch}" for epoch in design.epochs),
            columns=tuple(persona.label for persona in columns),
            cells=tuple(tuple(_square(one, epoch) for one in means) for epoch in design.epochs),
            keys=(key,) * len(design.epochs),
            kinds=tuple(kinds.get((key, epoch), "") for epoch in design.epochs),
        ),
    )
    title = f"{_what(analysis)} rate of {label} by persona and epoch"
    return _figure(f"heatmap-{key}", title, (panel,), analysis, _empty_squares((panel,)))


def _kinds(analysis: Analysis) -> dict[tuple[str, int], str]:
    """Whose the marker of a source's cells at an epoch is; seeds may differ."""
    found: dict[tuple[str, int], dict[str, None]] = {}
    for cell in analysis.specificity:
        if cell.kind is not Kind.NOT_KNOWN:
            found.setdefault((cell.source, cell.epoch), {})[cell.kind] = None
    return {place: ", ".join(kinds) for place, kinds in found.items()}


def difference(analysis: Analysis) -> Figure:
    """How much more each line has changed than its control, or than what it varies, by epoch."""
    series = tuple(_against_line(analysis, found) for found in first_against(analysis).values())
    axis = signed_axis(series, 100.0)
    panel = _epoch_panel(analysis, "", "Difference in change (points)", series, axis)
    zero = Reference((panel.x_range[0], 0.0), (panel.x_range[1], 0.0), "no difference")
    title = f"Change of {analysis.design.what} leakage, less that of control or own level"
    note = "Each line's rate minus the other's, less the same at epoch 0; bars are 95% intervals"
    none = "" if series else "Nothing to draw: no line has a control or varies another"
    panels = (replace(panel, references=(zero,)),)
    return _figure("difference", title, panels, analysis, note, none)


def _against_line(analysis: Analysis, found: Against) -> Series:
    points = []
    for epoch in analysis.design.epochs:
        at = compare(found.line, found.other, epoch)
        status = "measured" if at.value is not None else "missing"
        point = Point(epoch, at.value, status, interval=at.interval, seeds=at.seeds)
        points.append(plot_point(found.key, None, replace(point, seeds_planned=at.planned), 100.0))
    label = f"{_label(found.line)} minus {found.other.source.label}"
    return Series(found.key, label, _mark(analysis, found.line), tuple(points))


FIGURES: Final[Mapping[str, Callable[[Analysis], Figure]]] = {
    "leakage": leakage,
    "cosine": cosine,
    "leakage-cosine": leakage_over_cosine,
    "cosine-peak": cosine_against_peak,
    "grouped": grouped,
    "baseline-peak": baseline_against_peak,
    "heatmap": heatmap,
    "difference": difference,
}
"""Kind -> what prepares it."""


def _figure(
    kind: str,
    title: str,
    panels: tuple[Panel, ...],
    analysis: Analysis,
    note: str,
    absent: str = "",
    columns: int = 1,
) -> Figure:
    """Add to the note which cells ran with edits, how many seeds there are, and what is absent."""
    one = analysis.design.one_seed
    seeds = f"Means over up to {len(analysis.design.seeds)} seeds"
    full = _join(
        note,
        "; ".join(edits_notes(analysis, EDITED)),
        full_sentence(f"{one}: no replication") if one else seeds,
        absent,
    )
    return Figure(kind, title, panels, columns, full, rows_of(panels))


def _join(*parts: str) -> str:
    """Join the parts that say something into sentences."""
    return " ".join(f"{part.rstrip('.')}." for part in parts if part)


def _label(result: SourceResult) -> str:
    """Label of a source in figures; marked where its numbers ran with edits, or are accepted."""
    marks = EDITED * bool(result.edits) + ACCEPTED * bool(result.accepted)
    return f"{result.source.label} {marks}".rstrip()


def _line(analysis: Analysis, result: SourceResult, trajectory: Trajectory, unit: float) -> Series:
    key = result.source.key
    return Series(
        key,
        _label(result),
        _mark(analysis, result),
        tuple(plot_point(key, trajectory.seed, point, unit) for point in trajectory.points),
    )


def _what(analysis: Analysis) -> str:
    return analysis.design.what.capitalize()


def _leakage_panel(analysis: Analysis, results: Sequence[SourceResult], title: str = "") -> Panel:
    label = f"{analysis.design.target.label} {analysis.design.counted} (%)"
    series = tuple(_line(analysis, result, result.leakage, 100.0) for result in results)
    bands = _bystander_band(analysis, [result.source.key for result in results])
    panel = _epoch_panel(analysis, title, label, series, percent_axis((*series, *bands)))
    return replace(panel, bands=bands)


def _bystander_band(analysis: Analysis, sources: Sequence[str]) -> tuple[Series, ...]:
    """From the lowest to the highest bystander at each epoch; () where none is measured.

    A bystander's rate is its mean over the sources that it is none of, and their seeds.
    """
    design, frame = analysis.design, analysis.frame
    rows = frame[(frame["metric"] == design.measure) & (frame["status"] == "measured")]
    rows = rows[rows["source"].isin(sources) & (rows["persona"] != design.target.key)]
    rows = rows[rows["persona"] != rows["source"].map(persona_of)]
    if rows.empty:
        return ()
    rates = rows.groupby(["epoch", "persona"])["value"].mean() * 100
    by_epoch = rates.groupby("epoch")
    low, high = by_epoch.min().to_dict(), by_epoch.max().to_dict()
    points = tuple(
        PlotPoint(float(epoch), None, float(low[epoch]), float(high[epoch]))
        if epoch in low
        else PlotPoint(float(epoch), None, status="missing")
        for epoch in design.epochs
    )
    return (Series("bystanders", "bystanders", BAND_MARK, points, is_line=False),)


def _band_note(panels: Sequence[Panel]) -> str:
    said = "Grey band: the bystanders' mean rates over the sources drawn, lowest to highest"
    return said if any(panel.bands for panel in panels) else ""


def _cosine_panel(analysis: Analysis) -> Panel:
    scale = f" ({analysis.scale})" if analysis.scale else ""
    label = f"Cosine to {analysis.design.target.label}{scale}"
    series = tuple(
        _line(analysis, result, result.cosine, 1.0)
        for result in analysis.sources
        if any(point.value is not None for point in result.cosine.points)
    )
    panel = _epoch_panel(analysis, "", label, series, signed_axis(series))
    return replace(panel, references=(Reference((panel.x_range[0], 0.0), (panel.x_range[1], 0.0)),))


def _epoch_panel(
    analysis: Analysis, title: str, y_label: str, series: tuple[Series, ...], y_axis: Axis
) -> Panel:
    epochs = analysis.design.epochs
    x_axis = epoch_range(epochs), epoch_ticks(epochs)
    return _panel(title, ("Convergence epoch", x_axis), y_label, y_axis, series)


def _panel(
    title: str, x: tuple[str, Axis], y_label: str, y_axis: Axis, series: tuple[Series, ...]
) -> Panel:
    label, (x_range, x_ticks) = x
    y_range, y_ticks = y_axis
    return Panel(title, label, y_label, series, x_ticks, y_ticks, x_range, y_range)


def _mark(analysis: Analysis, result: SourceResult) -> Mark:
    return marks_of([one.source.key for one in analysis.sources])[result.source.key]


def _peaks(
    analysis: Analysis, x_of: Callable[[SourceResult], float | None]
) -> tuple[tuple[Series, ...], list[str]]:
    """One series of one point per source that has both values, and the labels of the others."""
    series, absent = [], []
    for result in analysis.sources:
        x, top = x_of(result), result.leakage.peak_point
        if x is None or top is None:
            absent.append(result.source.label)
            continue
        key = result.source.key
        point = replace(plot_point(key, result.leakage.seed, top, 100.0), x=x)
        series.append(Series(key, _label(result), _mark(analysis, result), (point,), is_line=False))
    return tuple(series), absent


def _personas(analysis: Analysis) -> tuple[Persona, ...]:
    """Columns of a heatmap: the target, the evaluated panel, then sources outside of it."""
    design = analysis.design
    panel = design.personas or (design.target,)
    known = {persona.key for persona in panel}
    unevaluated = tuple(source for source in design.sources if persona_of(source.key) not in known)
    others = tuple(persona for persona in panel if persona.key != design.target.key)
    return (design.target, *others, *unevaluated)


def _square(trajectory: Trajectory, epoch: int) -> HeatCell:
    point = trajectory.at(epoch)
    cell = cell_name(trajectory.source, epoch, trajectory.seed)
    if point is None or point.value is None:
        return HeatCell(None, point.status if point else "missing", cell)
    return HeatCell(point.value * 100, point.status, cell, point.n)


def _interval_note(analysis: Analysis) -> str:
    """What the bars are, in the methods that occur."""
    points = [point for result in analysis.sources for point in result.leakage.points]
    methods = sorted({point.interval.method for point in points if point.interval is not None})
    if not methods:
        several = len(analysis.design.seeds) > 1
        why = "no point has two seeds" if several else "the values have no counts"
        return f"No intervals: {why}" if analysis.cells_measured else ""
    return f"Bars: 95% intervals ({', '.join(methods)}), per checkpoint, not corrected"


def _no_cosine(analysis: Analysis) -> str:
    labels = [
        result.source.label
        for result in analysis.sources
        if all(point.value is None for point in result.cosine.points)
    ]
    return f"No cosine (n/a): {', '.join(labels)}" if labels else ""


def _picked(analysis: Analysis) -> str:
    picked = {result.leakage.picked_from for result in analysis.sources} - {0}
    if not picked:
        return ""
    several = f"{min(picked)} to {max(picked)}" if len(picked) > 1 else str(max(picked))
    return (
        f"Each peak is the largest of {several} checkpoints, so it is biased upward;"
        " bars are 95% intervals that ignore this choice"
    )


def _nothing(series: Sequence[Series]) -> str:
    return "" if series else "Nothing to draw yet: no source has both values"


def _gaps_note(panels: Sequence[Panel]) -> str:
    """How many points are gaps, or drawn but kept out of every number."""
    statuses = Counter(
        point.status for panel in panels for one in panel.series for point in one.points
    )
    if not any(statuses[status] for status in ("measured", *_HOLLOW)):
        return "Nothing to draw yet: no value is measured"
    parts = [f"{count_of(statuses[s], f'{s} point')}" for s in ("missing", "failed") if statuses[s]]
    gaps = f"Gaps: {', '.join(parts)}" if parts else ""
    marked = [f"{statuses[s]} {s}" for s in _HOLLOW if statuses[s]]
    drawn = f"Hollow points are kept out of every number: {', '.join(marked)}" if marked else ""
    return _join(gaps, drawn)


def _empty_squares(panels: Sequence[Panel]) -> str:
    squares = [
        square for panel in panels if panel.matrix for row in panel.matrix.cells for square in row
    ]
    absent = sum(square.value is None for square in squares)
    return f"{absent} of {len(squares)} squares are n/a, which is not 0" if absent else ""
