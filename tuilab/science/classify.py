"""Puts each source into one class by a rule that is written down before the numbers are seen.

The rule, on the checkpoint tests of one run (Fisher against epoch 0, Holm over all planned later
checkpoints, family-wise 0.05); "up" and "down" mean significantly so:

1. *not measured*: epoch 0 or every later checkpoint has no counts, so nothing can be tested.
2. *flat*: no checkpoint is up or down. This is "no change beyond noise", not "no change".
3. *rises*: the last tested checkpoint is up.
4. *declines*: the last tested checkpoint is down and none is up.
5. *transient*: anything else, that is, the source left its baseline and did not end above it:
   it came back, or it was up and ended down.

The maximum plays no part, since a maximum over checkpoints exceeds the baseline by chance alone.
With several seeds every seed is classified by itself; where they differ the source is *mixed*.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tuilab.science.design import BASELINE_EPOCH
from tuilab.science.significance import CheckpointTest
from tuilab.science.trajectories import Trajectory


class Change(StrEnum):
    """What a source's leakage does over the epochs."""

    RISES = "rises"
    DECLINES = "declines"
    TRANSIENT = "transient"
    FLAT = "flat"
    MIXED = "mixed"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Classification:
    """A class with what it rests on."""

    change: Change
    """The class."""
    up: int = 0
    """Checkpoints significantly above epoch 0, summed over seeds."""
    down: int = 0
    """Checkpoints significantly below epoch 0, summed over seeds."""
    tested: int = 0
    """Checkpoints tested, summed over seeds."""
    planned: int = 0
    """Later checkpoints in the plan, summed over seeds; more than tested means provisional."""
    why: str = ""
    """One sentence: the step of the rule that decided."""


def classify(trajectory: Trajectory, tests: Sequence[CheckpointTest]) -> Classification:
    """Classify one run by the rule in this module's docstring."""
    planned = len(trajectory.later)
    if not tests:
        return Classification(Change.NOT_MEASURED, planned=planned, why=_nothing(trajectory))
    up = sum(test.is_up for test in tests)
    down = sum(test.is_down for test in tests)
    last = tests[-1]
    counts = f"{up} up and {down} down of {len(tests)} checkpoints"
    if not up and not down:
        change, because = Change.FLAT, "no checkpoint differs from epoch 0 beyond noise"
    elif last.is_up:
        change, because = Change.RISES, f"epoch {last.epoch} is still above epoch 0"
    elif last.is_down and not up:
        change, because = Change.DECLINES, f"epoch {last.epoch} is below epoch 0 and none is above"
    else:
        change, because = (
            Change.TRANSIENT,
            f"it moved away from epoch 0, but epoch {last.epoch} is not above it",
        )
    return Classification(change, up, down, len(tests), planned, f"{because} ({counts})")


def agree(classes: Sequence[Classification]) -> Classification:
    """Join the classes of a source's seeds; seeds that were not measured do not vote."""
    voting = [one for one in classes if one.change is not Change.NOT_MEASURED]
    planned = sum(one.planned for one in classes)
    if not voting:
        why = classes[0].why if classes else "no seed is planned"
        return Classification(Change.NOT_MEASURED, planned=planned, why=why)
    up, down = sum(one.up for one in voting), sum(one.down for one in voting)
    tested = sum(one.tested for one in voting)
    changes = [one.change for one in voting]
    if len(set(changes)) == 1:
        why = voting[0].why
        if len(voting) > 1:
            why = f"all {len(voting)} measured seeds agree ({up} up and {down} down of {tested})"
        return Classification(changes[0], up, down, tested, planned, why)
    kinds = sorted(set(changes))
    listed = ", ".join(f"{changes.count(kind)} {kind.value}" for kind in kinds)
    return Classification(Change.MIXED, up, down, tested, planned, f"seeds disagree: {listed}")


def _nothing(trajectory: Trajectory) -> str:
    first = trajectory.at(BASELINE_EPOCH)
    if first is None or first.counted is None:
        return "epoch 0 is not measured, and without it no change can be tested"
    if not trajectory.later_measured:
        return "no checkpoint after epoch 0 is measured"
    return "the values have no n, so they cannot be tested"
