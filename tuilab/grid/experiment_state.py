"""One look at an experiment: plan, evidence and the state of each job; what every verb acts on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tuilab.grid.cells import Cell, select_all
from tuilab.grid.jobs import Plan, parse_job_id
from tuilab.grid.relaunch import (
    Evidences,
    Expansion,
    broken_cells,
    expand_failed,
    expand_relaunch,
    expand_run,
    stale_cells,
)
from tuilab.grid.stages import Stage
from tuilab.grid.states import Evidence, JobStatus


@dataclass(frozen=True, slots=True)
class ExperimentState:
    """Where an experiment stands; screens, verbs and the engine decide on this alone."""

    plan: Plan
    evidence: Evidences
    """All attempts by job id; a live one as its files show it."""
    statuses: Mapping[str, JobStatus]
    """By job id."""

    def of(self, job: str) -> Evidence:
        """Return what is known of a job."""
        return self.evidence.of(job)

    def cells(self, selectors: Sequence[str]) -> list[Cell]:
        """Return the cells that selectors name; all when there is none."""
        return select_all(selectors, self.plan.cells)

    def jobs(self, names: Sequence[str]) -> list[str]:
        """Return the jobs that cells and job ids name, in the order of the names.

        A cell stands for its own jobs. SelectorError when a name names nothing.
        """
        found: dict[str, None] = {}
        for name in names:
            if (job := job_of(name, self.plan)) is not None:
                found[job] = None
                continue
            chosen = set(self.cells([name]))
            found.update((job.id, None) for job in self.plan.jobs if job.cell in chosen)
        return list(found)

    def run(self, cells: Collection[Cell]) -> Expansion:
        """Return what a run of these cells would touch."""
        return expand_run(self.plan, self.evidence, self.statuses, cells)

    def relaunch(
        self,
        cells: Sequence[Cell],
        stage: Stage | None = None,
        changed: Collection[str] = frozenset(),
    ) -> Expansion:
        """Return what a relaunch of these cells would touch."""
        return expand_relaunch(self.plan, self.evidence, self.statuses, cells, stage, changed)

    def relaunch_failed(self) -> Expansion:
        """Return what a relaunch of all that is broken would touch."""
        return expand_failed(self.plan, self.evidence, self.statuses)

    def broken_cells(self) -> list[Cell]:
        """Return the cells that a relaunch of all that is broken is about."""
        return broken_cells(self.plan, self.statuses)

    def stale_cells(self) -> list[Cell]:
        """Return the cells with a stale result."""
        return stale_cells(self.plan, self.statuses)

    def held(self, jobs: Sequence[str]) -> str:
        """Return why one of these jobs is held by the breaker or a person, "" when none is."""
        return next((why for job in jobs if (why := self.of(job).held)), "")


def job_of(text: str, plan: Plan) -> str | None:
    """Return the job that a job id names, or None when the text is no job id of this plan."""
    try:
        parse_job_id(text)
    except ValueError:
        return None
    return text if text in plan.by_id else None
