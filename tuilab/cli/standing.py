"""Reads where an experiment stands, for verbs that act: plan, evidence, state of each job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tuilab.contract.tail import JsonlFollower
from tuilab.grid.cells import Cell, select_all
from tuilab.grid.jobs import Plan, parse_job_id
from tuilab.grid.ledger import Ledger
from tuilab.grid.states import LIVE, JobStatus, Verdict, derive_state
from tuilab.store.attempts import readable_outcome
from tuilab.store.evidence import as_begun, is_worker_gone, scan
from tuilab.store.layout import Layout
from tuilab.store.plan_file import load_plan


@dataclass(frozen=True, slots=True)
class Standing:
    """One look at an experiment."""

    layout: Layout
    plan: Plan
    ledger: Ledger
    states: dict[str, JobStatus]
    """By job id."""

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


def read_standing(root: Path, plan: Plan | None = None) -> Standing:
    """Read the journal and derive every state; ``plan`` replaces the one on disk."""
    layout = Layout(root)
    plan = plan or load_plan(root)
    ledger = Ledger()
    if layout.journal.exists():
        ledger.fold(JsonlFollower(layout.journal).read())
    else:
        ledger = scan(layout, plan)
    _look_at_live(layout, ledger)
    return Standing(layout, plan, ledger, derive_states(plan, ledger))


def derive_states(plan: Plan, ledger: Ledger) -> dict[str, JobStatus]:
    """Return the state of every job, parents before children."""
    states: dict[str, JobStatus] = {}
    outputs: dict[str, str] = {}
    for job in plan.jobs:
        known = ledger.of(job.id)
        states[job.id] = derive_state(
            job,
            known,
            {parent: states[parent] for parent in job.parents},
            {parent: outputs[parent] for parent in job.parents},
        )
        outputs[job.id] = known.last_done.output_hash if known.last_done else ""
    return states


def job_of(text: str, plan: Plan) -> str | None:
    """Return the job that a job id names, or None when the text is no job id of this plan."""
    try:
        parse_job_id(text)
    except ValueError:
        return None
    return text if text in plan.by_id else None


def _look_at_live(layout: Layout, ledger: Ledger) -> None:
    """Mark live attempts that have begun, or whose worker is gone: the engine will record it."""
    for job, known in ledger.evidence.items():
        last = known.last
        if last is None or last.verdict not in LIVE:
            continue
        seen = as_begun(layout, job, last) if last.verdict is Verdict.CLAIMED else last
        folder = layout.attempt_dir(job, last.number)
        if is_worker_gone(layout, last.worker) and readable_outcome(folder) is None:
            seen = replace(last, verdict=Verdict.LOST)
        if seen is not last:
            ledger.evidence[job] = replace(known, attempts=(*known.attempts[:-1], seen))
