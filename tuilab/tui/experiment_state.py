"""Takes from a source and its snapshot what previews are made from; reads no file by itself."""

from __future__ import annotations

from typing import cast

from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.jobs import Plan
from tuilab.grid.relaunch import Evidences
from tuilab.grid.states import Attempt
from tuilab.store.snapshot import Snapshot


def attempt_of(source: object, job: str, number: int) -> Attempt | None:
    """Return what is known of one attempt; None where there is none, or results only."""
    if not number or not isinstance(getattr(source, "plan", None), Plan):
        return None
    attempts = cast(Evidences, source).of(job).attempts
    return next((one for one in attempts if one.number == number), None)


def state_of(source: object, snapshot: Snapshot) -> ExperimentState | None:
    """Return the state that a snapshot of a Reader shows; None where there are results only."""
    plan = getattr(source, "plan", None)
    if not isinstance(plan, Plan) or not hasattr(source, "of"):
        return None
    statuses = snapshot.statuses
    if any(job.id not in statuses for job in plan.jobs):
        return None
    return ExperimentState(plan, cast(Evidences, source), statuses)
