"""The headline table: one row per source, every number with what it needs to be read."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Final

import pandas as pd

from tuilab.grid.edits import EDITED
from tuilab.grid.metrics import METRICS, Numbers, metric_keys
from tuilab.grid.signs import ACCEPTED
from tuilab.grid.text import MISSING, count_of, percent_text, points, rate_digits, signed
from tuilab.science.against import Against, first_against
from tuilab.science.analysis import Analysis, SourceResult
from tuilab.science.combination import over_cells
from tuilab.science.contrasts import Noise
from tuilab.science.cosine import Scale
from tuilab.science.design import BASELINE_EPOCH, PublishedRow
from tuilab.science.intervals import Interval
from tuilab.science.specificity import Specificity
from tuilab.science.text import bracket, share
from tuilab.science.trajectories import Point, cell_numbers

MARKS: Final[Mapping[str, str]] = {
    "missing": MISSING,
    "failed": "✗",
    "suspect": "?",
    "stale": "~",
    "edited": EDITED,
}
"""How a value that is not measured is marked; it never enters a number of its row."""


@dataclass(frozen=True, slots=True)
class HeadlineRow:
    """One source's numbers; rates 0..1, None where not measured."""

    source: str
    """Key."""
    label: str
    """Label."""
    cosine: float | None
    """Cosine to the target at epoch 0."""
    cosine_scale: Scale | None
    """Its layer, pool and model state; None when no cosine is measured anywhere."""
    baseline: float | None
    """Leakage at epoch 0."""
    baseline_interval: Interval | None
    """Its 95% interval."""
    peak: float | None
    """Largest measured leakage."""
    peak_interval: Interval | None
    """Interval of the value at the peak epoch; it ignores that the peak was picked."""
    peak_epoch: int | None
    """Epoch of the peak."""
    picked_from: int
    """Measured checkpoints the peak was picked from."""
    final: float | None
    """Leakage at the last planned epoch."""
    final_interval: Interval | None
    """Its 95% interval."""
    rise: float | None
    """Peak minus baseline, paired within seeds."""
    net: float | None
    """Final minus baseline, paired within seeds."""
    net_interval: Interval | None
    """95% interval of net: paired by question (else Newcombe), or t over several seeds."""
    above_baseline: int | None
    """Later checkpoints above epoch 0."""
    ties: int | None
    """Later checkpoints equal to epoch 0."""
    later_measured: int
    """Later checkpoints that can be compared with epoch 0."""
    early_epoch: int | None
    """First planned checkpoint after epoch 0, at which the next two are read."""
    fraction_of_peak: float | None
    """Value there over the peak."""
    fraction_of_rise: float | None
    """Share of the rise present there; None, not 0, when there is no rise."""
    change: str
    """Class by the written rule."""
    beyond: Noise | None
    """The strongest noise that the change has beaten (``contrasts.Noise``); None for none."""
    why: str
    """What decided the class, in words."""
    kind: str
    """Whose the marker is at the last epoch (``specificity.Kind``); seeds may differ."""
    excess_change: float | None
    """Target minus mean bystander against epoch 0, at the last epoch; mean over seeds."""
    excess_change_interval: Interval | None
    """Its 95% interval."""
    noise_counting: float | None
    """Standard deviation of a cell's rate from counting its completions."""
    noise_questions: float | None
    """The same from the questions asked; None where hits by question are not known."""
    noise_training: float | None
    """The same from training; None where it is not known."""
    up: int
    """Checkpoints above epoch 0 beyond counting noise."""
    down: int
    """Checkpoints below epoch 0 beyond counting noise."""
    n_low: int | None
    """Smallest n of a measured cell; None without counts."""
    n_high: int | None
    """Largest n of a measured cell."""
    others: Mapping[str, float | None]
    """Every other metric of the table at the last planned epoch, mean over its measured seeds."""
    seeds: int
    """Seeds with both ends measured, so that net exists."""
    seeds_planned: int
    """Seeds in the plan."""
    missing: tuple[str, ...]
    """Cells without a value, like ``villain@4#42``."""
    failed: tuple[str, ...]
    """Cells whose evaluation failed."""
    suspect: tuple[str, ...]
    """Cells with a broken contract, shown elsewhere and kept out of every number here."""
    stale: tuple[str, ...]
    """Cells whose inputs changed since, likewise kept out."""
    edited: tuple[str, ...]
    """Cells that ran with other settings than the rest of the source, likewise kept out."""
    edits: str
    """Settings unlike the config's that every number here ran with; "" where there are none."""
    accepted: tuple[str, ...]
    """Cells that count though they are stale, since a person keeps them as current."""
    published: PublishedRow | None
    """Reference values, when the design has any."""
    against: Against | None = None
    """How much more it changes than its control, or than what it varies; None in most grids."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """Cells that enter no number here, by why."""
        return (*self.missing, *self.failed, *self.suspect, *self.stale, *self.edited)

    @property
    def digits(self) -> int:
        """Decimals of its percentages, none where few completions are behind them."""
        return rate_digits(self.n_low and self.n_low * max(1, self.seeds_planned))

    def versus(self, name: str) -> float | None:
        """Our baseline, peak, final or cosine minus the published one.

        None when either is absent, and for cosines when the scales differ or one is unknown.
        """
        ours = getattr(self, name)
        theirs = getattr(self.published, name, None)
        if ours is None or theirs is None:
            return None
        if name == "cosine" and (
            self.published is None or self.published.cosine_scale != self.cosine_scale
        ):
            return None
        return float(ours) - float(theirs)


def headline(analysis: Analysis) -> tuple[HeadlineRow, ...]:
    """Headline rows in the design's order."""
    numbers = cell_numbers(analysis.frame, analysis.design, analysis.scale)
    pairs = first_against(analysis)
    return tuple(
        replace(_row(result, analysis, numbers), against=pairs.get(result.source.key))
        for result in analysis.sources
    )


def headline_frame(rows: Sequence[HeadlineRow]) -> pd.DataFrame:
    """Headline rows as a table of raw numbers (rates 0..1), one column per number."""
    records = []
    for row in rows:
        record: dict[str, object] = {}
        for name, value in asdict(replace(row, against=None)).items():
            if name.endswith("interval"):
                stem = name.removesuffix("_interval")
                record[f"{stem}_low"] = None if value is None else value["low"]
                record[f"{stem}_high"] = None if value is None else value["high"]
                record[f"{stem}_method"] = None if value is None else value["method"]
            elif name in ("published", "others", "against"):
                continue
            elif name == "cosine_scale":
                record[name] = None if row.cosine_scale is None else str(row.cosine_scale)
            else:
                record[name] = " ".join(value) if isinstance(value, tuple) else value
        for name in ("cosine", "baseline", "peak", "peak_epoch", "final"):
            record[f"published_{name}"] = getattr(row.published, name, None)
        theirs = row.published.cosine_scale if row.published else None
        record["published_cosine_scale"] = None if theirs is None else str(theirs)
        for name in ("cosine", "baseline", "peak", "final"):
            record[f"{name}_minus_published"] = row.versus(name)
        record |= {f"final_{key}": number for key, number in row.others.items()}
        if any(one.against for one in rows):
            record |= _against_record(row.against)
        records.append(record)
    return pd.DataFrame(records)


def _against_record(found: Against | None) -> dict[str, object]:
    interval = found.interval if found else None
    return {
        "against": found and found.other.source.key,
        "net_difference": found and found.value,
        "net_difference_low": interval and interval.low,
        "net_difference_high": interval and interval.high,
        "net_difference_beyond": found and found.beyond and found.beyond.value,
    }


def headline_text(
    rows: Sequence[HeadlineRow], *, full: bool = False
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return column titles and formatted cells, for any layout (text, Markdown, LaTeX).

    ``full`` adds rise, count above the baseline, what part of peak and rise is there early, and
    every other metric at the last epoch.
    """
    columns = _COLUMNS | (_FULL | _other_columns(rows) if full else {})
    if any(row.published is not None for row in rows):
        columns |= _PUBLISHED
    if any(row.against for row in rows):
        columns |= _AGAINST
    if any(row.left_out for row in rows):
        columns["Left out"] = _left_out
    return tuple(columns), [tuple(write(row) for write in columns.values()) for row in rows]


def _row(
    result: SourceResult, analysis: Analysis, numbers: Mapping[tuple[str, int, int], Numbers]
) -> HeadlineRow:
    trajectory = result.leakage
    first, last, top = trajectory.at(BASELINE_EPOCH), trajectory.points[-1], trajectory.peak_point
    net, found, sizes = result.net, result.classification, _sizes(result)
    without = {key: tuple(n for n, one in result.cells if one.status == key) for key in MARKS}
    early = next(iter(analysis.design.later_epochs), None)
    at_the_end = _specificity_at(analysis, result.source.key, last.epoch)
    change = over_cells([one.excess_change for one in at_the_end if one.excess_change is not None])
    return HeadlineRow(
        source=result.source.key,
        label=result.source.label,
        cosine=result.cosine.baseline,
        cosine_scale=analysis.scale,
        baseline=trajectory.baseline,
        baseline_interval=_interval(first),
        peak=trajectory.peak,
        peak_interval=_interval(top),
        peak_epoch=trajectory.peak_epoch,
        picked_from=trajectory.picked_from,
        final=trajectory.final,
        final_interval=_interval(last),
        rise=result.rise.mean,
        net=net.mean,
        net_interval=result.gain_interval(last.epoch),
        above_baseline=result.above_baseline,
        ties=result.ties,
        later_measured=result.compared,
        early_epoch=early,
        fraction_of_peak=None if early is None else result.fraction_of_peak(early),
        fraction_of_rise=None if early is None else result.fraction_of_rise(early),
        change=result.change.value,
        beyond=found.beyond if found.is_change else None,
        why=found.why,
        kind=", ".join(dict.fromkeys(one.kind.value for one in at_the_end)),
        excess_change=change.value if change else None,
        excess_change_interval=change.interval if change else None,
        noise_counting=_root(result.noise.counting),
        noise_questions=_root(result.noise.questions),
        noise_training=_root(result.noise.training),
        up=found.up,
        down=found.down,
        n_low=min(sizes, default=None),
        n_high=max(sizes, default=None),
        others=_others(result, analysis, numbers),
        seeds=net.measured,
        seeds_planned=net.planned,
        missing=without["missing"],
        failed=without["failed"],
        suspect=without["suspect"],
        stale=without["stale"],
        edited=without["edited"],
        edits=result.edits,
        accepted=tuple(name for name, _ in result.accepted),
        published=analysis.design.published.get(result.source.key),
    )


def _sizes(result: SourceResult) -> list[int]:
    points = (point for run in result.runs for point in run.trajectory.measured)
    return [point.n for point in points if point.n is not None]


def _specificity_at(analysis: Analysis, source: str, epoch: int) -> list[Specificity]:
    """Whose the marker is at an epoch, for each seed."""
    return [one for one in analysis.specificity if (one.source, one.epoch) == (source, epoch)]


def _root(variance: float | None) -> float | None:
    return None if variance is None else math.sqrt(variance)


def noise_text(row: HeadlineRow, full: str = "█▓░") -> str:
    """Draw the shares of counting, questions and training in ten columns, with their numbers.

    Where one of them is not known the others' are shares of less than the whole, and say so.
    """
    sds = (row.noise_counting, row.noise_questions, row.noise_training)
    parts = [(one or 0.0) ** 2 for one in sds]
    total = sum(parts)
    if not total or (row.noise_questions is None and row.noise_training is None):
        return MISSING
    ends = [round(10 * sum(parts[: place + 1]) / total) for place in range(3)]
    bar = "".join(
        sign * (end - begin) for sign, begin, end in zip(full, [0, *ends], ends, strict=False)
    )
    most = "<=" if None in sds else ""
    shares = " ".join(
        f"{name} {MISSING if sd is None else most + percent_text(part / total)}"
        for name, sd, part in zip(("c", "q", "t"), sds, parts, strict=True)
    )
    return f"{bar} {shares}"


def _others(
    result: SourceResult, analysis: Analysis, numbers: Mapping[tuple[str, int, int], Numbers]
) -> dict[str, float | None]:
    last = analysis.design.epochs[-1]
    cells = [numbers.get((result.source.key, seed, last), {}) for seed in analysis.design.seeds]
    keys = metric_keys(analysis.measured)[1:]
    found = {key: [cell[key].value for cell in cells if key in cell] for key in keys}
    return {key: fmean(values) if values else None for key, values in found.items()}


def _interval(point: Point | None) -> Interval | None:
    return point.interval if point is not None and point.counted is not None else None


def _with(row: HeadlineRow, value: float | None, interval: Interval | None) -> str:
    return f"{percent_text(value, row.digits)} {bracket(interval, row.digits)}".rstrip()


def _change(row: HeadlineRow, value: float | None, interval: Interval | None) -> str:
    return f"{points(value, row.digits)} {bracket(interval, row.digits)}".strip()


def _n(row: HeadlineRow) -> str:
    if row.n_low is None:
        return MISSING
    return str(row.n_low) if row.n_low == row.n_high else f"{row.n_low} to {row.n_high}"


def _peak_epoch(row: HeadlineRow) -> str:
    if row.peak_epoch is None:
        return MISSING
    return f"{row.peak_epoch} (best of {count_of(row.picked_from, 'epoch')})"


def _above(row: HeadlineRow) -> str:
    if row.above_baseline is None:
        return MISSING
    tied = f" ({count_of(row.ties, 'tie')})" if row.ties else ""
    return f"{row.above_baseline}/{row.later_measured}{tied}"


def _early(row: HeadlineRow, fraction: float | None) -> str:
    return (
        f"{share(fraction, row.digits)} (ep {row.early_epoch})"
        if fraction is not None
        else "undefined"
    )


def other_titles(keys: Iterable[str]) -> dict[str, str]:
    """Return the column titles of metrics at the last epoch, and their keys."""
    return {f"{METRICS[key].title.capitalize()} (final)": key for key in keys}


def _other_columns(rows: Sequence[HeadlineRow]) -> dict[str, Callable[[HeadlineRow], str]]:
    def column(key: str) -> Callable[[HeadlineRow], str]:
        return lambda row: METRICS[key].unit.wide(row.others[key])

    return {
        title: column(key)
        for title, key in other_titles(key for row in rows[:1] for key in row.others).items()
        if any(row.others[key] is not None for row in rows)
    }


def _difference(found: Against | None) -> str:
    if found is None:
        return MISSING
    beyond = "" if found.beyond is None else _BEYOND[found.beyond]
    return f"{points(found.value)} {bracket(found.interval)}".strip() + beyond


def _left_out(row: HeadlineRow) -> str:
    parts = []
    for status, mark in MARKS.items():
        cells: tuple[str, ...] = getattr(row, status)
        if cells:
            parts.append(f"{len(cells)} {status}" + (f" {mark}" if mark != MISSING else ""))
    return ", ".join(parts) or "none"


def _theirs(row: HeadlineRow, name: str) -> str:
    value = getattr(row.published, name, None)
    if value is None:
        return MISSING
    gap = row.versus(name)
    written = percent_text(value, 1)
    if name == "cosine":
        written = signed(value, 2)
        scale = row.published.cosine_scale if row.published else None
        where = scale.pool if scale else "scale unknown"
        note = f"{signed(gap)}" if gap is not None else f"not comparable: {where}"
    else:
        note = points(gap)
    return f"{written} ({note})"


_BEYOND: Final = {
    Noise.COUNTING: " (counting)",
    Noise.SCATTER: " (scatter)",
    Noise.SEEDS: " (seeds)",
}
"""The noise beaten, in one word behind the class."""
_COLUMNS: Final[dict[str, Callable[[HeadlineRow], str]]] = {
    "Source": lambda row: (
        f"{row.label} {EDITED * bool(row.edits)}{ACCEPTED * bool(row.accepted)}".rstrip()
    ),
    "Cosine": lambda row: signed(row.cosine),
    "Baseline [95%]": lambda row: _with(row, row.baseline, row.baseline_interval),
    "Peak [95%]": lambda row: _with(row, row.peak, row.peak_interval),
    "Peak epoch": _peak_epoch,
    "Final [95%]": lambda row: _with(row, row.final, row.final_interval),
    "Net [95%]": lambda row: _change(row, row.net, row.net_interval),
    "Class": lambda row: row.change + ("" if row.beyond is None else _BEYOND[row.beyond]),
    "Up/down": lambda row: f"{row.up}/{row.down}",
    "n": _n,
    "Seeds": lambda row: f"{row.seeds}/{row.seeds_planned}",
}
_AGAINST: Final[dict[str, Callable[[HeadlineRow], str]]] = {
    "Net minus": lambda row: row.against.other.source.label if row.against else MISSING,
    "Difference [95%]": lambda row: _difference(row.against),
}
_FULL: Final[dict[str, Callable[[HeadlineRow], str]]] = {
    "Specificity": lambda row: row.kind or MISSING,
    "Excess change [95%]": lambda row: _change(row, row.excess_change, row.excess_change_interval),
    "Noise": noise_text,
    "Rise": lambda row: points(row.rise, row.digits),
    "Above baseline": lambda row: _above(row),
    "Early % of peak": lambda row: _early(row, row.fraction_of_peak),
    "Early % of rise": lambda row: _early(row, row.fraction_of_rise),
}
_PUBLISHED: Final[dict[str, Callable[[HeadlineRow], str]]] = {
    "Published cosine": lambda row: _theirs(row, "cosine"),
    "Published baseline": lambda row: _theirs(row, "baseline"),
    "Published peak": lambda row: _theirs(row, "peak"),
    "Published final": lambda row: _theirs(row, "final"),
}
