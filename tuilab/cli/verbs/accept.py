"""``tuilab accept``: keep stale results as current, with the reason on record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from tuilab.cli import complete
from tuilab.cli.errors import OK, USAGE, RefusalError
from tuilab.cli.experiments import take_changes_in
from tuilab.cli.output import document, out, plain, tell
from tuilab.cli.requests import ask
from tuilab.cli.resolve import find_own_grid
from tuilab.cli.verbs.arguments import AsJson, Dir, DryRun
from tuilab.grid.acceptance import acceptances, why_not_accept
from tuilab.grid.cells import Cell
from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.jobs import Plan
from tuilab.grid.states import ACCEPT, JobStatus, why_stale
from tuilab.grid.text import list_of
from tuilab.store.attempts import kept_checkpoints
from tuilab.store.layout import Layout
from tuilab.store.old_settings import OldSettings
from tuilab.store.read_state import read_state

Stale = Annotated[
    list[str],
    typer.Argument(
        metavar="CELL", help="villain@4, villain@*, '*' for all", autocompletion=complete.cells
    ),
]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="Reason; every report names it.")]


def accept(
    directory: Dir, cells: Stale, why: Why, dry_run: DryRun = False, as_json: AsJson = False
) -> int:
    """Accept stale results as current, say after an upgrade in the middle of a grid.

    Their numbers count again, with a mark beside them, until something they depend on changes
    again. Stale answers and checkpoints that they were made from are accepted with them.

    \b
    tuilab accept runs/tiny villain@4 --why "only the log format changed"
    tuilab accept runs/tiny '*' --why "0.2 measures the same"
    """
    if not why.strip():
        raise RefusalError("--why is empty: say why these results still count", USAGE)
    root = find_own_grid(directory)
    layout = Layout(root)

    def check(plan: Plan) -> None:
        """Refuse before anything is planned again."""
        state = read_state(root, plan)
        if refused := why_not_accept(plan, state.statuses, state.cells(cells)):
            raise RefusalError(refused)

    state = read_state(root, take_changes_in(root, not dry_run, check))
    chosen = state.cells(cells)
    explain = OldSettings(layout, state.plan)
    jobs = acceptances(
        state.plan,
        state.of,
        chosen,
        explain,
        lambda job, number: kept_checkpoints(layout, job, number),
    )
    if as_json:
        document({"why": why, "jobs": jobs})
    else:
        for line in _lines(state, jobs):
            out(plain(line))
    if dry_run:
        return OK
    reply = ask(root, "accept", cells=tuple(map(str, chosen)), options={"why": why.strip()})
    if reply.why:
        tell(plain(reply.why))
    elif not as_json:
        tell("accepted as current")
    return reply.code


def _lines(state: ExperimentState, jobs: Iterable[str]) -> Iterator[str]:
    """Say which cells are accepted and why they were stale, and what is accepted with them."""
    own: dict[Cell, list[JobStatus]] = {}
    shared = []
    for name in jobs:
        if (cell := state.plan.by_id[name].cell) is None:
            shared.append(name)
        else:
            own.setdefault(cell, []).append(state.statuses[name])
    causes: dict[str, list[Cell]] = {}
    for cell, stale in own.items():
        causes.setdefault(why_stale(stale).replace(ACCEPT, ""), []).append(cell)
    for cause, cells in causes.items():
        why = cause or "an earlier result, while it waits to run again"
        yield f"{list_of(list(map(str, cells)))}: {why}"
    if shared:
        yield f"with what they share with other cells: {list_of(shared)}"
