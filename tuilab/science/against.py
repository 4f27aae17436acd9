"""Compares a line of a grid with its control, or with what it varies: differences in differences.

The difference of two lines at an epoch, less their difference at epoch 0. Counting noise is that
of the four rates (``combination.combine``); that of training is tested as for one source
(``contrasts``), on the trajectory of the difference.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from tuilab.grid.lines import CONTROLS, Parts, parts_of
from tuilab.science.analysis import Analysis, SourceResult
from tuilab.science.combination import Weighted, combine
from tuilab.science.contrasts import Noise, against_training
from tuilab.science.design import BASELINE_EPOCH
from tuilab.science.error_rates import ALPHA
from tuilab.science.intervals import Interval, no_narrower, over_seeds
from tuilab.science.trajectories import Point, Trajectory


@dataclass(frozen=True, slots=True)
class Against:
    """How much more one line has changed since epoch 0 than another."""

    line: SourceResult
    other: SourceResult
    epoch: int
    """The checkpoint that it is about, the last one unless another is asked for."""
    value: float | None
    """Mean over the seeds that have all four cells; None where none has."""
    interval: Interval | None
    """95%: counting and questions, and t over seeds where there are several."""
    beyond: Noise | None
    """The strongest noise that it has beaten; None for none."""
    is_open: bool
    """Whether it is beyond counting noise, and the noise of training, which is known, hides it."""
    seeds: int
    planned: int

    @property
    def is_control(self) -> bool:
        """Whether the other line is the control of this one, not what it varies."""
        return CONTROLS.get(parts_of(self.key)[1]) == parts_of(self.other.source.key)[1]

    @property
    def key(self) -> str:
        """Key of the line."""
        return self.line.source.key


def against(analysis: Analysis) -> tuple[Against, ...]:
    """Compare every line of variants; () in a grid without arms and axes."""
    by_parts = {parts_of(one.source.key): one for one in analysis.sources}
    return tuple(
        compare(one, by_parts[other], analysis.design.final_epoch)
        for parts, one in by_parts.items()
        for other in _others(parts)
        if other in by_parts
    )


def first_against(analysis: Analysis) -> dict[str, Against]:
    """Return one comparison for each line that has any: its control before what it varies."""
    found: dict[str, Against] = {}
    for one in against(analysis):
        found.setdefault(one.key, one)
    return found


def _others(parts: Parts) -> Iterator[Parts]:
    """Yield what a line may be compared with: its control arm, and the config's own levels."""
    persona, arm, levels = parts
    if arm in CONTROLS:
        yield persona, CONTROLS[arm], levels
    if levels:
        yield persona, arm, ()


def difference(line: Trajectory, other: Trajectory) -> Trajectory:
    """Return the difference of two runs at the epochs where both are measured."""
    points = []
    for point in line.points:
        there = other.value_at(point.epoch)
        known = point.counted is not None and there is not None
        value = (point.counted or 0.0) - (there or 0.0) if known else None
        points.append(Point(point.epoch, value, "measured" if known else "missing"))
    return Trajectory(line.source, line.seed, tuple(points), line.metric)


def compare(line: SourceResult, other: SourceResult, epoch: int) -> Against:
    """Compare the changes of two lines from epoch 0 to another."""
    pairs = [
        (one.trajectory, two.trajectory)
        for one, two in zip(line.runs, other.runs, strict=True)
        if epoch > BASELINE_EPOCH and _has_ends(one.trajectory, epoch)
        if _has_ends(two.trajectory, epoch)
    ]
    found = [combine(_terms(one, two, epoch, 1.0)) for one, two in pairs]
    values = [one.value for one in found if one is not None]
    share = 1 / len(pairs) if pairs else 0.0
    counting = combine([term for one, two in pairs for term in _terms(one, two, epoch, share)])
    interval = counting.interval if counting is not None else None
    if interval is not None and len(values) > 1:
        interval = no_narrower(over_seeds(values), interval)
    runs = [difference(one, two) for one, two in pairs]
    training = against_training(runs)
    is_counted = counting is not None and _excludes_0(counting.interval)
    is_beyond = training is not None and training.end.p < ALPHA and _excludes_0(interval)
    beyond = Noise.COUNTING if is_counted else None
    if training is not None:
        beyond = training.noise if is_counted and is_beyond else None
    return Against(
        line,
        other,
        epoch,
        fmean(values) if values else None,
        interval,
        beyond,
        is_counted and beyond is None,
        len(values),
        len(line.runs),
    )


def _terms(one: Trajectory, two: Trajectory, epoch: int, share: float) -> list[Weighted]:
    ends = ((share, epoch), (-share, BASELINE_EPOCH))
    found = [
        (sign, run.at(at), weight) for sign, run in ((1, one), (-1, two)) for weight, at in ends
    ]
    return [(sign * weight, point) for sign, point, weight in found if point is not None]


def _has_ends(run: Trajectory, epoch: int) -> bool:
    return run.baseline is not None and run.value_at(epoch) is not None


def _excludes_0(interval: Interval | None) -> bool:
    return interval is not None and not interval.low <= 0 <= interval.high
