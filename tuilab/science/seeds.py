"""Puts the seeds of a source together without pretending that they are one run."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Final

from tuilab.grid.metrics import measures
from tuilab.science.design import Design
from tuilab.science.intervals import Interval, difference, no_narrower, over_seeds, wilson
from tuilab.science.questions import paired_difference, together
from tuilab.science.trajectories import SAME, Point, Trajectory

SHOWN_INSTEAD: Final = ("edited", "stale", "suspect", "failed", "missing")
"""Which status a mean point takes when no seed is measured: the one that says most first."""


@dataclass(frozen=True, slots=True)
class SeedSummary:
    """Mean and spread of one number over seeds."""

    mean: float | None
    """Mean over measured seeds; None when there is none."""
    spread: float | None
    """Sample standard deviation (ddof 1); None below two seeds."""
    measured: int
    """Seeds measured: the n of n/N."""
    planned: int
    """Seeds planned: the N of n/N."""
    interval: Interval | None
    """t interval of the mean; None below two seeds."""


def summarise(values: Iterable[float | None]) -> SeedSummary:
    """Summarise one number over seeds; None is a seed that is planned and not measured."""
    listed = list(values)
    known = [value for value in listed if value is not None]
    return SeedSummary(
        mean=fmean(known) if known else None,
        spread=stdev(known) if len(known) > 1 else None,
        measured=len(known),
        planned=len(listed),
        interval=over_seeds(known),
    )


def mean_trajectory(runs: Sequence[Trajectory]) -> Trajectory:
    """Mean over seeds, epoch by epoch; one run is returned as it is.

    A mean point has no hits and no n (completions of different seeds are not one sample) and a t
    interval over seeds, no narrower than counting alone would make it; an epoch without measured
    seeds takes the most telling other status.
    """
    if len(runs) == 1:
        return runs[0]
    first = runs[0]
    columns = zip(*(run.points for run in runs), strict=True)
    points = tuple(_mean_point(column, first.metric) for column in columns)
    return Trajectory(first.source, None, points, first.metric)


def paired(runs: Sequence[Trajectory], later: int | None, earlier: int) -> SeedSummary:
    """Change from one epoch to another within each seed; a seed without both has none.

    Pairing matters: the mean of one set of seeds minus the mean of another is no change at all.
    """
    changes: list[float | None] = []
    ends: list[tuple[Point, Point]] = []
    for run in runs:
        after = None if later is None else run.at(later)
        before = run.at(earlier)
        if after is None or before is None or after.counted is None or before.counted is None:
            changes.append(None)
        else:
            changes.append(after.counted - before.counted)
            ends.append((after, before))
    summary = summarise(changes)
    least = _least_of_change([after for after, _ in ends], [before for _, before in ends])
    if least is None:
        return summary
    return replace(summary, interval=no_narrower(summary.interval, least))


def share_present(
    runs: Sequence[Trajectory], epoch: int, peak_epoch: int | None, *, of_rise: bool
) -> float | None:
    """Share of the peak (or of the rise) that is present at ``epoch``.

    For one seed, (value - start) / (peak - start) with start 0 or the baseline. Sums run over the
    seeds that have every value involved, so no seed enters one side only. None, not 0, when there
    is no peak above 0 (no rise) to take a share of.
    """
    present = whole = 0.0
    for run in runs:
        start = run.baseline if of_rise else 0.0
        now = run.value_at(epoch)
        top = None if peak_epoch is None else run.value_at(peak_epoch)
        if start is not None and now is not None and top is not None:
            present += now - start
            whole += top - start
    return present / whole if whole > SAME else None


def runs_of(
    trajectories: dict[tuple[str, int], Trajectory], design: Design, source: str
) -> tuple[Trajectory, ...]:
    """Every planned seed's trajectory of one source, in seed order."""
    return tuple(trajectories[source, seed] for seed in design.seeds)


def _mean_point(column: Sequence[Point], metric: str) -> Point:
    planned = len(column)
    measured = [point for point in column if point.counted is not None]
    known = [point.counted for point in measured if point.counted is not None]
    epoch = column[0].epoch
    if known:
        bounds = measures([metric])[metric].unit
        interval = over_seeds(known, bounds.low, bounds.high)
        least = _least_of_rate(measured)
        return Point(
            epoch=epoch,
            value=math.fsum(known) / len(known),
            interval=interval if least is None else no_narrower(interval, least),
            seeds=len(known),
            seeds_planned=planned,
            edits=measured[0].edits,
        )
    chosen = next(point for status in SHOWN_INSTEAD for point in column if point.status == status)
    return Point(
        epoch=epoch,
        value=chosen.value,
        status=chosen.status,
        seeds=0,
        seeds_planned=planned,
        reason=chosen.reason,
        edits=chosen.edits,
    )


def _least_of_rate(points: Sequence[Point]) -> Interval | None:
    """What all completions of several seeds leave open, and their questions where all share them.

    None where one has no counts.
    """
    if (asked := together([point.questions for point in points])) is not None:
        return asked.interval
    counts = _pooled(points)
    return wilson(*counts) if counts is not None else None


def _least_of_change(after: Sequence[Point], before: Sequence[Point]) -> Interval | None:
    """The same of the change between two epochs, paired by question where all share them."""
    late, early = (together([one.questions for one in points]) for points in (after, before))
    now, then = _pooled(after), _pooled(before)
    if now is None or then is None:
        return None
    by_question = paired_difference(late, early) if late and early else None
    return by_question or difference(*now, *then)


def _pooled(points: Sequence[Point]) -> tuple[int, int] | None:
    """Return (hits, n) of all points together; None without points or where one has no counts."""
    hits = [point.hits for point in points if point.hits is not None]
    n = [point.n for point in points if point.n]
    return (sum(hits), sum(n)) if points and len(hits) == len(n) == len(points) else None
