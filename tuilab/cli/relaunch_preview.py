"""Shows exactly which jobs a request touches and how long they took before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from tuilab.cli.output import document, out, out_first, plain
from tuilab.grid.cells import Cell
from tuilab.grid.edits import cell_edits, edited_before
from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.jobs import Plan
from tuilab.grid.relaunch import Expansion, explain
from tuilab.grid.states import JobStatus, State, why_stale
from tuilab.grid.text import count_of, duration
from tuilab.store.program_name import program, quoted

_CAUSES = 4


def show_expansion(answer: Expansion, as_json: bool, verb: str) -> None:
    """Print the jobs, the refusals, what turns stale, and the time it took last time."""
    if as_json:
        document(as_document(answer))
        return
    out(summary(answer, verb))
    out_first(explain(answer), most=60)


def show_carried(plan: Plan, cells: Sequence[Cell], as_planned: bool) -> None:
    """Say which earlier edits the cells carry, and whether they are kept."""
    if words := edited_before(cell_edits(plan, cells), cells):
        end = "taken back" if as_planned else "kept: --as-planned takes them back"
        out(plain(f"{words}; {end}"))


def stale_lines(root: Path, state: ExperimentState, cells: Collection[Cell]) -> list[str]:
    """Say which of some cells are stale and why, and what to type; [] when none is."""
    stale: dict[Cell, list[JobStatus]] = {}
    for job in state.plan.jobs:
        status = state.statuses[job.id]
        if job.cell is not None and job.cell in cells and status.state is State.STALE:
            stale.setdefault(job.cell, []).append(status)
    found: dict[str, list[Cell]] = {}
    for cell, jobs in stale.items():
        found.setdefault(why_stale(jobs), []).append(cell)
    if not found:
        return []
    count = len(stale)
    lines = [f"  {cause}: {count_of(len(names), 'cell')}" for cause, names in found.items()]
    more = len(lines) - _CAUSES
    head = f"{count_of(count, 'cell')} {'is' if count == 1 else 'are'} stale: "
    return [
        f"{head}`{program()} relaunch {quoted(root)} --stale` runs what is needed again, "
        f"`{program()} accept {quoted(root)} CELL... --why TEXT` keeps the results as current",
        *lines[:_CAUSES],
        *([f"  and {count_of(more, 'other cause')}"] if more > 0 else []),
    ]


def summary(answer: Expansion, verb: str) -> str:
    """Say in one line how much it is."""
    text = f"{verb}: {count_of(len(answer.jobs), 'job')}"
    if answer.seconds:
        text += f", which took {duration(answer.seconds)} before"
    if answer.never_ran and answer.seconds:
        text += f" ({count_of(answer.never_ran, 'job')} never finished)"
    return text


def as_document(answer: Expansion) -> dict[str, object]:
    """Return an expansion as plain JSON values."""
    return {
        "verb": answer.verb,
        "jobs": [
            {
                "job": one.job,
                "stage": one.stage.value,
                "attempt": one.attempt,
                "seconds_before": one.seconds,
                "why": one.why,
                "resumes": one.resumes,
            }
            for one in answer.jobs
        ],
        "refused": dict(answer.refused),
        "turns_stale": list(answer.turns_stale),
        "seconds_before": answer.seconds,
    }
