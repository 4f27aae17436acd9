"""Puts each source into one class by a rule that is written down before the numbers are seen.

The rule, with the tests of ``contrasts`` (training noise) and of ``significance`` (Fisher against
epoch 0, Holm over all planned later checkpoints: counting noise alone), each at 5% per source:

1. *not measured*: epoch 0 or every later checkpoint has no counts, so nothing can be tested.
2. Where the training noise is known (several seeds, or one seed with five later checkpoints):
   *rises, then falls* (*falls, then rises*) if the turn is significant; else *rises* or *declines*
   if the end, or else the level, is significantly above or below epoch 0.
3. Where it is not known, the same words by counting alone: *rises* if the last tested checkpoint
   is up, *declines* if it is down and none is up, *rises, then falls* if one was up and the last
   is not, *falls, then rises* otherwise. The class says how little it has beaten.
4. *not decided*: some checkpoint differs beyond counting noise, but no test of 2 does.
5. *flat*: no checkpoint differs even beyond counting noise. It is not "no change".

The maximum plays no part, since a maximum over checkpoints exceeds the baseline by chance alone.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tuilab.grid.text import count_of, points
from tuilab.science.contrasts import Contrasts, Noise, against_training
from tuilab.science.design import BASELINE_EPOCH
from tuilab.science.error_rates import ALPHA, LEAST_LATER
from tuilab.science.significance import CheckpointTest
from tuilab.science.trajectories import Trajectory


class Change(StrEnum):
    """What a source's leakage does over the epochs."""

    RISES = "rises"
    DECLINES = "declines"
    RISES_FALLS = "rises, then falls"
    FALLS_RISES = "falls, then rises"
    NOT_DECIDED = "not decided"
    FLAT = "flat"
    NOT_MEASURED = "not measured"


TURNS = (Change.RISES_FALLS, Change.FALLS_RISES)
"""The source left its baseline and came back."""


@dataclass(frozen=True, slots=True)
class Classification:
    """A class with what it rests on."""

    change: Change
    """The class."""
    up: int = 0
    """Checkpoints above epoch 0 beyond counting noise, summed over seeds."""
    down: int = 0
    """Checkpoints below epoch 0 beyond counting noise, summed over seeds."""
    tested: int = 0
    """Checkpoints tested, summed over seeds."""
    why: str = ""
    """One sentence: the step of the rule that decided."""
    beyond: Noise | None = None
    """The strongest noise that the change has beaten; None where it has beaten none."""
    contrasts: Contrasts | None = None
    """The tests against training noise; None where that noise is unknown."""

    @property
    def is_change(self) -> bool:
        """Whether the class says that there is one."""
        return self.change not in (Change.NOT_DECIDED, Change.FLAT, Change.NOT_MEASURED)

    @property
    def said(self) -> str:
        """The class with the noise it has beaten: ``rises beyond this run's scatter``."""
        return f"{self.change} {self.beyond}" if self.is_change else self.change.value


def classify(runs: Sequence[tuple[Trajectory, Sequence[CheckpointTest]]]) -> Classification:
    """Classify one source, given each seed's run and its tests against epoch 0."""
    known = [(run, tests) for run, tests in runs if tests]
    if not known:
        why = _nothing(runs[0][0])
        return Classification(Change.NOT_MEASURED, why=why)
    every = [test for _, tests in known for test in tests]
    up, down = sum(test.is_up for test in every), sum(test.is_down for test in every)
    tested = count_of(len(every), "checkpoint")
    counts = f"{up} up and {down} down of {tested} beyond counting noise"
    runs_known = [run for run, _ in known]
    found = against_training(runs_known)

    def made(change: Change, why: str, beyond: Noise | None) -> Classification:
        why = f"{why} ({counts})"
        return Classification(change, up, down, len(every), why, beyond, found)

    counting = Noise.COUNTING if up or down else None
    if found is not None:
        change, because = by_training(found)
        if change is not None:
            return made(change, because, found.noise)
        if counting:
            return made(Change.NOT_DECIDED, because, counting)
    elif counting:
        change = _by_counting([tests for _, tests in known])
        return made(change, _why_unknown(len(runs_known), len(every)), counting)
    why = f"none of {tested} differs from epoch 0 beyond counting noise"
    return Classification(Change.FLAT, up, down, len(every), why, None, found)


def by_training(found: Contrasts) -> tuple[Change | None, str]:
    """Class by the contrasts and why; None, with what they say, where none is significant."""
    level, end, turn = found.level, found.end, found.turn
    against = f"{found.noise}: {found}"
    if turn.p < ALPHA:
        change = Change.RISES_FALLS if turn.estimate > 0 else Change.FALLS_RISES
        return change, f"it moved {points(turn.estimate, found.digits)} and came back, {against}"
    for one in (end, level):
        if one.p < ALPHA:
            where = "the last checkpoint" if one is end else "the mean of the later checkpoints"
            change = Change.RISES if one.estimate > 0 else Change.DECLINES
            side = "above" if one.estimate > 0 else "below"
            return change, f"{where} is {side} epoch 0 {against}"
    return None, f"no contrast lies {against}"


def _by_counting(tests: Sequence[Sequence[CheckpointTest]]) -> Change:
    """Class by the checkpoint tests alone; seeds that differ leave it not decided."""
    changes = Counter(_of_tests(one) for one in tests)
    [(most, votes)] = changes.most_common(1)
    return most if votes == len(tests) else Change.NOT_DECIDED


def _of_tests(tests: Sequence[CheckpointTest]) -> Change:
    up, down = any(test.is_up for test in tests), any(test.is_down for test in tests)
    if not up and not down:
        return Change.FLAT
    if tests[-1].is_up:
        return Change.RISES
    if tests[-1].is_down and not up:
        return Change.DECLINES
    return Change.RISES_FALLS if up else Change.FALLS_RISES


def _why_unknown(seeds: int, tested: int) -> str:
    if seeds > 1:
        return "the seeds share no later checkpoint, so their spread is unknown"
    return (
        f"with one seed and {count_of(tested, 'later checkpoint')} the scatter of training is"
        f" unknown: {LEAST_LATER} checkpoints or a second seed would tell"
    )


def _nothing(trajectory: Trajectory) -> str:
    first = trajectory.at(BASELINE_EPOCH)
    if first is None or first.counted is None:
        return "epoch 0 is not measured, and without it no change can be tested"
    if not trajectory.later_measured:
        return "no checkpoint after epoch 0 is measured"
    return "the values have no n, so they cannot be tested"
