"""Tests differences of rates between checkpoints or experiments, corrected for their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuilab.science.design import BASELINE_EPOCH
from tuilab.science.distributions import chi_square_above
from tuilab.science.error_rates import ALPHA
from tuilab.science.fisher import Table, fisher_p_values
from tuilab.science.intervals import Interval, joined, wilson
from tuilab.science.questions import PAIRED, paired_difference
from tuilab.science.trajectories import Point, Trajectory

Pair = tuple[Point | None, Point | None]
"""The same number of the same cell in one experiment and in the other; None = not measured."""


@dataclass(frozen=True, slots=True)
class CheckpointTest:
    """One checkpoint against a reference checkpoint of the same run."""

    epoch: int
    """The checkpoint tested."""
    difference: float
    """Its rate minus the reference rate, 0..1 scale."""
    interval: Interval
    """Of that difference, paired by question or Newcombe's; not corrected for multiplicity."""
    p: float
    """Two-sided Fisher exact p."""
    p_holm: float
    """The same after Holm's correction over ``family`` tests."""
    family: int
    """How many tests were planned, measured or not."""

    @property
    def is_up(self) -> bool:
        """Significantly above the reference."""
        return self.p_holm < ALPHA and self.difference > 0

    @property
    def is_down(self) -> bool:
        """Significantly below the reference."""
        return self.p_holm < ALPHA and self.difference < 0


@dataclass(frozen=True, slots=True)
class Overdispersion:
    """Whether checkpoints differ more than sampling completions alone allows."""

    chi_square: float
    """Pearson chi-square of equal rates at all later checkpoints."""
    df: int
    """Degrees of freedom."""
    p: float
    """Upper tail probability."""

    @property
    def ratio(self) -> float:
        """Chi-square / df: near 1 when completions are the only noise."""
        return self.chi_square / self.df


@dataclass(frozen=True, slots=True)
class Gap:
    """What is known of the other's rate minus the one's; both have counts."""

    interval: Interval
    """95%, paired by question or joined of both; not corrected for multiplicity."""
    p: float
    """Two-sided Fisher exact p."""
    p_holm: float
    """The same after Holm's correction over all cells that both experiments plan."""

    @property
    def is_paired(self) -> bool:
        """Whether both answered the same questions, and the interval is over these."""
        return self.interval.method.startswith(PAIRED)

    @property
    def is_beyond_chance(self) -> bool:
        """Whether two samples of one and the same rate would hardly be so far apart.

        It knows the noise of counting completions only: a second training run differs by more.
        """
        return self.p_holm < ALPHA


def counts(found: Point | None) -> tuple[int, int] | None:
    """Return hits and n of a number that may be tested; None where it was not measured or has none.

    A suspect or stale checkpoint is shown and not tested; a cosine has no hits.
    """
    if found is None or found.counted is None or found.hits is None or not found.n:
        return None
    return found.hits, found.n


def fisher(ours: Point, reference: Point) -> float | None:
    """Two-sided Fisher exact p of two checkpoints (Fisher 1935); None without counts."""
    first, second = counts(ours), counts(reference)
    if first is None or second is None:
        return None
    [p] = fisher_p_values([(*first, *second)])
    return p


def holm(p_values: Sequence[float], family: int | None = None) -> list[float]:
    """Step-down adjusted p values (Holm 1979, Scand. J. Stat. 6:65-70), in the order given.

    ``family`` is the number of planned tests; planned tests without a result count as p = 1, so
    that a missing cell makes no other cell look more significant.
    """
    planned = max(family or 0, len(p_values))
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (planned - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def against_baseline(trajectory: Trajectory) -> tuple[CheckpointTest, ...]:
    """Test every measured later checkpoint against epoch 0, Holm over all planned later ones."""
    return _against(trajectory.at(BASELINE_EPOCH), trajectory.later)


def after(trajectory: Trajectory, epoch: int) -> tuple[CheckpointTest, ...]:
    """Test every checkpoint later than ``epoch`` against the one at ``epoch``: is it a plateau?"""
    later = tuple(point for point in trajectory.points if point.epoch > epoch)
    return _against(trajectory.at(epoch), later)


def gaps(pairs: Sequence[Pair]) -> list[Gap | None]:
    """Test each pair of rates; None where a side was not measured or has no counts, as a cosine.

    Pairs without a test stay in the family of the correction.
    """
    known = [
        (place, one, other)
        for place, (one, other) in enumerate(pairs)
        if one is not None and other is not None and counts(one) and counts(other)
    ]
    p_values = fisher_p_values([_table(one, other) for _, one, other in known])
    found: list[Gap | None] = [None] * len(pairs)
    p_holms = holm(p_values, len(pairs))
    for (place, one, other), p, p_holm in zip(known, p_values, p_holms, strict=True):
        found[place] = Gap(_apart(other, one), p, p_holm)
    return found


def overdispersion(trajectory: Trajectory) -> Overdispersion | None:
    """Pearson chi-square over df across later checkpoints (Cochran 1954, Biometrics 10:417-451).

    Well above 1 means that runs differ by more than sampling, by trend or by training noise, so
    that binomial tests and intervals are too narrow. None with fewer than two checkpoints with
    counts, or when all completions agree.
    """
    known = [pair for pair in map(counts, trajectory.later) if pair is not None]
    table = np.array([[hits, n - hits] for hits, n in known], dtype=float).reshape(-1, 2)
    if len(table) < 2 or (table.sum(axis=0) == 0).any():
        return None
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    chi_square, df = float(((table - expected) ** 2 / expected).sum()), len(table) - 1
    return Overdispersion(chi_square, df, chi_square_above(chi_square, df))


def _against(reference: Point | None, later: Sequence[Point]) -> tuple[CheckpointTest, ...]:
    tests = []
    for point, gap in zip(later, gaps([(reference, point) for point in later]), strict=True):
        if gap is not None and reference is not None:
            apart = _rate(point) - _rate(reference)
            tests.append(
                CheckpointTest(point.epoch, apart, gap.interval, gap.p, gap.p_holm, len(later))
            )
    return tuple(tests)


def _apart(ours: Point, theirs: Point) -> Interval:
    """Interval of our rate minus theirs, paired by question where both answered the same ones."""
    if ours.questions is not None and theirs.questions is not None:
        paired = paired_difference(ours.questions, theirs.questions)
        if paired is not None:
            return paired
    mine, yours = (one.interval or wilson(*_counts(one)) for one in (ours, theirs))
    method = mine.method if mine.method == yours.method else "Wilson"
    method = method.replace("Wilson", "Newcombe")
    return joined((_rate(ours), mine), (_rate(theirs), yours), 0.0, method)


def _rate(point: Point) -> float:
    hits, n = _counts(point)
    return hits / n


def _counts(point: Point) -> tuple[int, int]:
    """Hits and n of a point that is known to have counts."""
    found = counts(point)
    assert found is not None, "a point without counts is not tested"
    return found


def _table(one: Point, other: Point) -> Table:
    """Return the counts of both, the other's first."""
    return *_counts(other), *_counts(one)
