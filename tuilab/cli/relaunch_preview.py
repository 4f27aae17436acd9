"""Shows exactly which jobs a request touches and how long they took before."""

from __future__ import annotations

from collections.abc import Sequence

from tuilab.cli.output import document, out, out_first, plain
from tuilab.grid.cells import Cell
from tuilab.grid.edits import cell_edits, edited_before
from tuilab.grid.jobs import Plan
from tuilab.grid.relaunch import Expansion, explain
from tuilab.grid.text import count_of, duration


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
