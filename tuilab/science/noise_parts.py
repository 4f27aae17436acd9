"""How much of what moves a source's rate is counting, questions, training."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from tuilab.science.design import BASELINE_EPOCH
from tuilab.science.distributions import variance
from tuilab.science.error_rates import LEAST_LATER
from tuilab.science.trajectories import Point, Trajectory


@dataclass(frozen=True, slots=True)
class NoiseParts:
    """Variances of one cell's rate, by source of noise; None is "not known", never 0.

    The square root of a part is its standard deviation in units of a rate (0..1).
    """

    counting: float | None
    """From other answers to the same questions."""
    questions: float | None
    """From other questions of the kind; only where hits by question are known."""
    training: float | None
    """From training again: between seeds, or between the checkpoints of one run."""


def noise_parts(runs: Sequence[Trajectory]) -> NoiseParts:
    """Split the variance of a source's later cells.

    Counting and questions are the ANOVA parts of each cell (``Questions``), averaged over cells.
    Training is the variance between seeds at a checkpoint, averaged over checkpoints, or with one
    seed that of successive checkpoints (``Trajectory.scatter``), less what counting explains of
    it: cells that answer the same questions do not differ by the questions themselves.
    """
    later = [
        [point for point in run.measured if point.epoch > BASELINE_EPOCH and point.n]
        for run in runs
    ]
    cells = [point for points in later for point in points]
    if not cells:
        return NoiseParts(None, None, None)
    asked = [point.questions for point in cells if point.questions is not None]
    if len(asked) == len(cells):
        counting = fmean(one.counting_variance for one in asked)
        # Cut at 0 after the mean: cell by cell it would be too large on average.
        between = max(0.0, fmean(one.question_variance for one in asked))
    else:
        counting, between = fmean(map(_binomial, cells)), None
    total = _between_seeds(later) if len(runs) > 1 else _between_checkpoints(runs[0], later[0])
    training = None if total is None else max(0.0, total - counting)
    return NoiseParts(counting, between, training)


def _binomial(point: Point) -> float:
    rate, n = point.counted or 0.0, point.n or 1
    return rate * (1 - rate) / n


def _between_checkpoints(run: Trajectory, later: Sequence[Point]) -> float | None:
    if len(later) < LEAST_LATER or run.scatter is None:
        return None
    return run.scatter**2


def _between_seeds(later: Sequence[Sequence[Point]]) -> float | None:
    by_epoch: dict[int, list[float]] = {}
    for points in later:
        for point in points:
            by_epoch.setdefault(point.epoch, []).append(point.counted or 0.0)
    found = [variance(values) for values in by_epoch.values() if len(values) > 1]
    return fmean(found) if found else None
