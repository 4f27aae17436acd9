"""Says of two experiments whether the second replicates a source of the first.

The level (mean of the later checkpoints minus epoch 0) of both is compared, over the later
checkpoints that both have. Its noise is that of ``contrasts``: the scatter of a run's own
checkpoints, or the spread over seeds. The interval of the difference is Welch's (1947, Biometrika
34:28-35) at 90%, that is, two one-sided tests at 5% each (Schuirmann 1987, J. Pharmacokinet.
Biopharm. 15:657-680):

- *replicates*: it lies within plus or minus the margin;
- *contradicts*: it lies outside of it, on one side;
- *cannot tell*: anything else, or the noise of one of the two is unknown.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from tuilab.grid.text import points
from tuilab.science.contrasts import Contrasts, against_training
from tuilab.science.design import BASELINE_EPOCH
from tuilab.science.distributions import t_quantile
from tuilab.science.error_rates import LEAST_LATER
from tuilab.science.intervals import Interval
from tuilab.science.text import bracket
from tuilab.science.trajectories import Trajectory

MARGIN: Final = 0.1
"""Difference of two levels that is still the same result, 0..1 scale."""
_BOTH_SIDES: Final = 0.1


class Outcome(StrEnum):
    """What a second experiment says of a source of the first."""

    REPLICATES = "replicates"
    CONTRADICTS = "contradicts"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Replication:
    """The outcome for one source."""

    source: str
    """Key."""
    outcome: Outcome
    """By the rule of this module."""
    margin: float
    """Difference up to which it is the same result."""
    one: float | None = None
    """Level of the first; None where it cannot be had."""
    other: float | None = None
    """Level of the second."""
    interval: Interval | None = None
    """90% interval of the second minus the first; None where a noise is unknown."""
    why: str = ""
    """Why it cannot be told, and what would tell; "" where it can."""

    @property
    def said(self) -> str:
        """Levels, difference, interval and margin in one clause."""
        if self.one is None or self.other is None or self.interval is None:
            return self.why
        gap = f"{points(self.other - self.one)} {bracket(self.interval)}"
        text = (
            f"level {points(self.one)} and {points(self.other)}, difference {gap} (90%) against"
            f" a margin of {points(self.margin).lstrip('+')}"
        )
        return f"{text}; {self.why}" if self.why else text


def replication(
    source: str, one: Sequence[Trajectory], other: Sequence[Trajectory], margin: float = MARGIN
) -> Replication:
    """Compare one source's runs (a trajectory per seed) in two experiments."""
    shared = _epochs(one) & _epochs(other)
    if BASELINE_EPOCH not in shared or len(shared) < 2:
        why = "epoch 0 and a later checkpoint must be measured in both"
        return Replication(source, Outcome.CANNOT_TELL, margin, why=why)
    found = [_noise([_only(run, shared) for run in runs]) for runs in (one, other)]
    mine, theirs = found
    if mine is None or theirs is None:
        why = (
            f"the noise of training is unknown: it needs {LEAST_LATER} later checkpoints in both,"
            " or several seeds"
        )
        return Replication(source, Outcome.CANNOT_TELL, margin, why=why)
    gap = theirs.level.estimate - mine.level.estimate
    spread = mine.level_error**2 + theirs.level_error**2
    df = spread**2 / (mine.level_error**4 / mine.df + theirs.level_error**4 / theirs.df)
    half = t_quantile(df, _BOTH_SIDES) * math.sqrt(spread)
    interval = Interval(gap - half, gap + half, "Welch")
    outcome, why = Outcome.CANNOT_TELL, ""
    if -margin < interval.low and interval.high < margin:
        outcome = Outcome.REPLICATES
    elif interval.low > margin or interval.high < -margin:
        outcome = Outcome.CONTRADICTS
    else:
        why = (
            f"more seeds would narrow the difference from plus or minus {points(half).lstrip('+')}"
        )
    levels = mine.level.estimate, theirs.level.estimate
    return Replication(source, outcome, margin, *levels, interval, why)


def change_interval(known: Contrasts | None, net: Interval | None) -> Interval | None:
    """Return what two one-sided tests leave of a source's change from epoch 0.

    The 90% interval of its level; where the noise of training is unknown, the 95% one of the last
    checkpoint (``net``).
    """
    if known is None:
        return net and Interval(net.low, net.high, "net, 95%")
    half = t_quantile(known.df, _BOTH_SIDES) * known.level_error
    level = known.level.estimate
    return Interval(level - half, level + half, "level, 90%")


def replications(
    one: Mapping[str, Sequence[Trajectory]],
    other: Mapping[str, Sequence[Trajectory]],
    margin: float = MARGIN,
) -> tuple[Replication, ...]:
    """Compare every source that both have, in the order of the first."""
    return tuple(
        replication(source, runs, other[source], margin)
        for source, runs in one.items()
        if source in other
    )


def _epochs(runs: Sequence[Trajectory]) -> set[int]:
    """Epochs measured in every seed that has an epoch 0."""
    measured = [{point.epoch for point in run.measured} for run in runs]
    usable = [epochs for epochs in measured if BASELINE_EPOCH in epochs]
    return set.intersection(*usable) if usable else set()


def _only(run: Trajectory, epochs: set[int]) -> Trajectory:
    return replace(run, points=tuple(point for point in run.points if point.epoch in epochs))


def _noise(runs: Sequence[Trajectory]) -> Contrasts | None:
    return against_training([run for run in runs if run.baseline is not None])
