"""Tests a source's change against the noise of training, which counting completions cannot see.

Three contrasts, named before any number is seen (k later checkpoints y1..yk, epoch 0 is y0):

- *level*: mean(y1..yk) - y0, what comes after epoch 0 as a whole;
- *end*: yk - y0, what is left of it at the last checkpoint;
- *turn*: mean(y1..yh) - y0 and mean(y1..yh) - yk with h = k // 2, both of one sign: it went and
  came back. An intersection-union test (Berger 1982, Technometrics 24:295-300): its p is the
  larger of the two.

With one seed, the noise of a checkpoint is the scatter of the run's own later checkpoints about a
straight line (least squares; k - 2 degrees of freedom), or that of counting where it is larger. A
trend is thereby no noise. Epoch 0 was trained like the others, so it is given the same noise. The
p values are divided by shares of the error rate (weighted Bonferroni: Holm 1979, Scand. J. Stat.
6:65-70). A hump is no line: the turn takes the scatter from successive differences
(``Trajectory.scatter``). Its two tests must both succeed, so that together they err in less than
1 of 100 flat runs (docs/STATISTICS.md), which is what level and end leave.

With several seeds each contrast is taken within each seed and tested by Student's t over seeds.
Near 0 the noise of a rate is skewed. So the level must be significant for the rates as they are and
on the angular scale (arcsin of the root). And seeds whose epoch 0 all lie at 0 by chance agree more
than their checkpoints do, so the variance over seeds is taken to be at least ``LEAST_SCATTER`` of
what the scatter of the checkpoints makes it. Level is tested first, and end and turn only where it
is significant (a fixed sequence: Maurer, Hothorn & Lehmacher 1995), since two degrees of freedom
bear no division.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

from tuilab.grid.text import points
from tuilab.science.design import BASELINE_EPOCH
from tuilab.science.distributions import t_two_sided, variance
from tuilab.science.error_rates import (
    END_SHARE,
    LEAST_LATER,
    LEAST_SCATTER,
    LEVEL_SHARE,
    TURN_SHARE,
)
from tuilab.science.text import p_value
from tuilab.science.trajectories import SAME, Trajectory, digits_of

_Values = Sequence[float]


class Noise(StrEnum):
    """What a change has been shown to exceed, from the weakest to the strongest."""

    COUNTING = "beyond counting noise"
    SCATTER = "beyond this run's scatter"
    SEEDS = "beyond the spread of seeds"


@dataclass(frozen=True, slots=True)
class Contrast:
    """One planned comparison."""

    name: str
    """level, end or turn."""
    estimate: float
    """Its size, 0..1 scale; of the turn, its first half minus epoch 0."""
    p: float
    """Two-sided, corrected; it is compared with the error rate as it is."""


@dataclass(frozen=True, slots=True)
class Contrasts:
    """A source's three contrasts against one kind of training noise."""

    noise: Noise
    """SCATTER with one seed, SEEDS with several."""
    sd: float
    """Noise of one checkpoint, or the standard deviation of the level over seeds."""
    df: int
    """Degrees of freedom of that estimate."""
    level_error: float
    """Standard error of the level."""
    level: Contrast
    end: Contrast
    turn: Contrast
    digits: int = 1
    """Decimals of its sizes in points."""

    def __str__(self) -> str:
        """``level -12.8 pp (p = 0.149), end -22.0 pp (p = 0.103)``."""
        return ", ".join(
            f"{one.name} {points(one.estimate, self.digits)} ({p_value(one.p)})"
            for one in (self.level, self.end)
        )


def against_training(runs: Sequence[Trajectory]) -> Contrasts | None:
    """Test one run against its own scatter, several over their seeds; None where too little is."""
    return within_run(runs[0]) if len(runs) == 1 else over_seeds(runs)


def within_run(run: Trajectory) -> Contrasts | None:
    """Test one run against the scatter of its own checkpoints.

    None without epoch 0, or with fewer than ``LEAST_LATER`` later checkpoints.
    """
    later = [point for point in run.measured if point.epoch > BASELINE_EPOCH]
    first = run.baseline
    if first is None or len(later) < LEAST_LATER:
        return None
    values = [point.value or 0.0 for point in later]
    count, counting = len(values), _counting([run])
    df = count - 2
    noise = max(_about_line([point.epoch for point in later], values), counting)
    if not noise:
        return None

    def p(estimate: float, times: float) -> float:
        return t_two_sided(estimate / math.sqrt(noise * times), df)

    level, end, gone, back = _contrasts(first, values)
    turn = 1.0
    if gone * back > 0:
        steps = max((run.scatter or 0.0) ** 2, counting) * (1 + 1 / (count // 2))
        smaller = min(abs(gone), abs(back))
        turn = t_two_sided(smaller / math.sqrt(steps), run.scatter_df)
    return Contrasts(
        Noise.SCATTER,
        math.sqrt(noise),
        df,
        math.sqrt(noise * (1 + 1 / count)),
        Contrast("level", level, min(1.0, p(level, 1 + 1 / count) / LEVEL_SHARE)),
        Contrast("end", end, min(1.0, p(end, 2) / END_SHARE)),
        Contrast("turn", gone, min(1.0, turn / TURN_SHARE)),
        digits_of([run]),
    )


def over_seeds(runs: Sequence[Trajectory]) -> Contrasts | None:
    """Test a source over its seeds, at the checkpoints that all seeds with an epoch 0 share.

    None where fewer than two seeds have an epoch 0, or they share no later checkpoint.
    """
    runs = [run for run in runs if run.baseline is not None]
    if len(runs) < 2:
        return None
    measured = [{point.epoch for point in run.measured} for run in runs]
    shared = sorted(epoch for epoch in set.intersection(*measured) if epoch > BASELINE_EPOCH)
    if not shared:
        return None
    each = [
        _contrasts(run.baseline or 0.0, [run.value_at(epoch) or 0.0 for epoch in shared])
        for run in runs
    ]
    levels, ends, gone, back = map(list, zip(*each, strict=True))
    least, df = _least_over_seeds(runs), len(runs) - 1

    def p(values: list[float], times: float) -> float:
        noise = max(variance(values), least * times)
        return t_two_sided(fmean(values) / math.sqrt(noise / len(values)), df) if noise else 1.0

    level = max(p(levels, 1 + 1 / len(shared)), _evened(runs, shared))
    # Fixed sequence: what comes later is never more certain than the level.
    end = max(level, p(ends, 2))
    halves = 1 + 1 / max(1, len(shared) // 2)
    is_turn = len(shared) > 1 and fmean(gone) * fmean(back) > 0
    turn = max(level, p(gone, halves), p(back, halves)) if is_turn else 1.0
    return Contrasts(
        Noise.SEEDS,
        math.sqrt(variance(levels)),
        df,
        math.sqrt(max(variance(levels), least * (1 + 1 / len(shared))) / len(runs)),
        Contrast("level", fmean(levels), level),
        Contrast("end", fmean(ends), end),
        Contrast("turn", fmean(gone), turn),
        digits_of(runs),
    )


def _evened(runs: Sequence[Trajectory], shared: Sequence[int]) -> float:
    """Two-sided p of the level over seeds on the angular scale; 0 for what is no rate."""
    values = [[run.value_at(epoch) or 0.0 for epoch in (BASELINE_EPOCH, *shared)] for run in runs]
    if not all(0 <= value <= 1 for row in values for value in row):
        return 0.0
    angles = [[math.asin(math.sqrt(value)) for value in row] for row in values]
    levels = [fmean(row[1:]) - row[0] for row in angles]
    spread = variance(levels)
    if not spread:
        return 0.0 if fmean(levels) else 1.0
    return t_two_sided(fmean(levels) / math.sqrt(spread / len(levels)), len(levels) - 1)


def _contrasts(first: float, later: _Values) -> tuple[float, float, float, float]:
    """Level, end, and both parts of the turn."""
    half = fmean(later[: max(1, len(later) // 2)])
    return fmean(later) - first, later[-1] - first, half - first, half - later[-1]


def _about_line(epochs: Sequence[int], values: _Values) -> float:
    """Residual variance about the least squares line, on len - 2 degrees of freedom."""
    middle, mean = fmean(epochs), fmean(values)
    spread = math.fsum((epoch - middle) ** 2 for epoch in epochs)
    pairs = list(zip(epochs, values, strict=True))
    slope = math.fsum((epoch - middle) * value for epoch, value in pairs) / spread
    residuals = (value - mean - slope * (epoch - middle) for epoch, value in pairs)
    found = math.fsum(one * one for one in residuals) / (len(values) - 2)
    return found if found > SAME**2 else 0.0


def _least_over_seeds(runs: Sequence[Trajectory]) -> float:
    """Least variance of a checkpoint: of counting, or a part of the scatter within the seeds."""
    scatters = [run.scatter**2 for run in runs if run.scatter is not None]
    return max(_counting(runs), LEAST_SCATTER * fmean(scatters) if scatters else 0.0)


def _counting(runs: Sequence[Trajectory]) -> float:
    """Mean variance of a later checkpoint from counting alone; 0 where nothing has counts.

    A rate of 0 or 1 is given the variance that one hit (or miss) would have.
    """
    points = [point for run in runs for point in run.measured if point.epoch > BASELINE_EPOCH]
    counted = [(point.hits, point.n) for point in points if point.hits is not None and point.n]
    if not counted:
        return 0.0
    rate = fmean(hits / n for hits, n in counted)
    n = fmean(n for _, n in counted)
    return max(rate * (1 - rate), 1 / n) / n
