"""Gathers what a preview is made from: plan, journal, states; reads no file by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from tuilab.grid.cells import Cell
from tuilab.grid.jobs import Plan
from tuilab.grid.relaunch import Expansion, expand_failed, expand_relaunch
from tuilab.grid.stages import Stage
from tuilab.grid.states import Attempt, Evidence, JobStatus
from tuilab.grid.why_not import why_not_relaunch
from tuilab.store.snapshot import Snapshot


class Attempts(Protocol):
    """What knows the plan and every job's attempts: the store's Reader."""

    plan: Plan

    def evidence(self, job: str) -> Evidence:
        """All attempts of a job."""


@dataclass(frozen=True, slots=True)
class ExperimentState:
    """Where an experiment stands, as the screen shows it."""

    plan: Plan
    attempts: Attempts
    states: Mapping[str, JobStatus]
    """By job id."""

    def of(self, job: str) -> Evidence:
        """Return what is known of a job."""
        return self.attempts.evidence(job)

    def relaunch(
        self, cells: list[Cell], stage: Stage | None, changed: frozenset[str] = frozenset()
    ) -> Expansion:
        """Return what a relaunch of these cells would touch."""
        return expand_relaunch(self.plan, self, self.states, cells, stage, changed)

    def relaunch_failed(self) -> Expansion:
        """Return what a relaunch of all that is broken would touch."""
        return expand_failed(self.plan, self, self.states)

    def why_not_relaunch(self, cell: Cell) -> str:
        """Say why nothing of a cell can be relaunched now, "" when something can."""
        own = [self.states[job.id] for job in self.plan.jobs if job.cell == cell]
        return why_not_relaunch(own)

    def held(self, jobs: list[str]) -> str:
        """Return why one of these jobs is held by the breaker or a person, "" when none is."""
        return next((why for job in jobs if (why := self.of(job).held)), "")


def attempt_of(source: object, job: str, number: int) -> Attempt | None:
    """Return what is known of one attempt; None where there is none, or results only."""
    if not number or not isinstance(getattr(source, "plan", None), Plan):
        return None
    attempts = cast(Attempts, source).evidence(job).attempts
    return next((one for one in attempts if one.number == number), None)


def state_of(source: object, snapshot: Snapshot) -> ExperimentState | None:
    """Read the state off a Reader and its snapshot; None where there are results only."""
    plan = getattr(source, "plan", None)
    if not isinstance(plan, Plan) or not hasattr(source, "evidence"):
        return None
    states = {job.job: job for job in snapshot.shared}
    for view in snapshot.cells:
        states.update((job.job, job) for job in view.jobs)
    if any(job.id not in states for job in plan.jobs):
        return None
    return ExperimentState(plan, cast(Attempts, source), states)
