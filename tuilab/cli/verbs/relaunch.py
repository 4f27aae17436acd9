"""``tuilab relaunch``: new attempts of exactly the jobs that were shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tuilab.cli import complete
from tuilab.cli.errors import ERROR, OK, USAGE, RefusalError
from tuilab.cli.experiments import take_changes_in
from tuilab.cli.follow import follow
from tuilab.cli.output import document, out, plain, tell
from tuilab.cli.relaunch_preview import as_document, show_carried, show_expansion
from tuilab.cli.requests import agreed, ask
from tuilab.cli.resolve import find_own_grid
from tuilab.cli.runner_programs import refuse_without_workers
from tuilab.cli.verbs.arguments import AsJson, Cells, Dir, DryRun, Headless, Yes
from tuilab.grid.cells import Cell
from tuilab.grid.edits import parse_edits
from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.jobs import Plan
from tuilab.grid.relaunch import Expansion, from_scratch, stale_words
from tuilab.grid.stages import Stage
from tuilab.grid.text import nearest
from tuilab.store.program_name import program, quoted
from tuilab.store.read_state import read_state
from tuilab.store.replan import changed_by

Failed = Annotated[bool, typer.Option("--failed", help="All failed, lost and suspect cells.")]
Stale = Annotated[bool, typer.Option("--stale", help="All stale cells.")]
FromStage = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="STAGE",
        help="Start at data, converge, train, merge, eval or cosine, and run all stages after it.",
        autocompletion=complete.one_of(lambda: Stage),
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Edit a setting of these cells: marker.lr=1e-5",
        autocompletion=complete.settings,
    ),
]
Restart = Annotated[bool, typer.Option("--restart", help="From scratch: do not resume.")]
AsPlanned = Annotated[bool, typer.Option("--as-planned", help="Undo earlier edits of these cells.")]


def relaunch(
    directory: Dir,
    cells: Cells = None,
    failed: Failed = False,
    stale: Stale = False,
    from_stage: FromStage = None,
    sets: Sets = None,
    restart: Restart = False,
    as_planned: AsPlanned = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    headless: Headless = False,
    as_json: AsJson = False,
) -> int:
    """Run cells again from their first broken stage. Nothing is overwritten.

    Shows exactly which jobs run and how long they took before, and asks first at a terminal. An
    unfinished training resumes from its last saved state, unless --from or --restart is given.

    \b
    tuilab relaunch runs/tiny --failed
    tuilab relaunch runs/tiny --stale --dry-run
    tuilab relaunch runs/tiny villain@4 --from eval --dry-run
    tuilab relaunch runs/tiny 'comedian@*' --set marker.lr=2e-4 --yes
    """
    if not (cells or failed or stale):
        raise RefusalError("name cells (villain@4, 'villain@*') or give --failed or --stale", USAGE)
    if bool(cells) + failed + stale > 1:
        raise RefusalError("give either cells, --failed or --stale", USAGE)
    root = find_own_grid(directory)
    stage = _stage(from_stage)
    state, answer, edits = _expand(
        root, cells or [], failed, stale, stage, sets or [], as_planned, write=not dry_run
    )
    chosen = state.cells(cells) if cells else _cells_of(state.plan, answer)
    if not as_json:
        show_carried(state.plan, chosen, as_planned)
        if words := stale_words(answer, state.statuses):
            accept = f"`{program()} accept {quoted(root)} CELL... --why TEXT`"
            out(plain(f"{words}; {accept} keeps stale results instead"))
    if restart:
        _warn_of_idle_restart(answer)
        answer = from_scratch(answer)
    if dry_run or not answer.jobs:
        show_expansion(answer, as_json, "would relaunch")
        return OK if answer.jobs or dry_run else _nothing(failed, stale)
    if not as_json:
        show_expansion(answer, False, "relaunch")
    if not (as_json or agreed("start these jobs?", yes)):
        return ERROR
    refuse_without_workers(state.plan.resources)
    given = {"restart": restart, "as_planned": as_planned}
    reply = ask(
        root,
        "relaunch",
        cells=tuple(map(str, chosen)),
        jobs=tuple(one.job for one in answer.jobs),
        from_stage=stage.value if stage else None,
        sets=edits,
        options={name: True for name, is_given in given.items() if is_given},
    )
    if reply.why:
        tell(plain(reply.why))
    if reply.code:
        return reply.code
    if as_json:
        document(as_document(answer))
    shown = _cells_of(state.plan, answer) or state.plan.cells
    return follow(root, shown, headless, as_json, reply.since)


def _stage(text: str | None) -> Stage | None:
    if text is None:
        return None
    try:
        return Stage(text.strip().lower())
    except ValueError:
        known = [stage.value for stage in Stage]
        raise RefusalError(
            f"unknown stage {text!r}: use {', '.join(known)}{nearest(text, known)}", USAGE
        ) from None


def _expand(
    root: Path,
    selectors: list[str],
    failed: bool,
    stale: bool,
    stage: Stage | None,
    sets: list[str],
    as_planned: bool,
    write: bool,
) -> tuple[ExperimentState, Expansion, dict[str, Any]]:
    edits = parse_edits(sets)
    state = read_state(root, take_changes_in(root, write))
    if failed and not (edits or as_planned) and stage is None:
        return state, state.relaunch_failed(), edits
    chosen = state.broken_cells() if failed else state.cells(selectors)
    if stale and not (chosen := state.stale_cells()):
        return state, Expansion("relaunch"), edits
    is_edited = bool(edits) or as_planned
    changed = changed_by(root, state.plan, chosen, edits, as_planned) if is_edited else frozenset()
    if as_planned and not edits and not changed:
        raise RefusalError("these cells have no edits: they run as planned already")
    if edits and not changed:
        raise RefusalError("the edit changes nothing: these cells already have that value")
    return state, state.relaunch(chosen, stage, changed), edits


def _warn_of_idle_restart(answer: Expansion) -> None:
    """Say so where nothing would resume anyway: --restart chooses no other stage."""
    if answer.jobs and not any(one.resumes for one in answer.jobs):
        first = answer.jobs[0].stage.value
        tell(f"--restart changes nothing: no job would resume. It starts at {first}; see --from")


def _nothing(failed: bool, stale: bool) -> int:
    words = "no job is failed, lost or suspect" if failed else "no cell is stale"
    tell(words if failed or stale else "nothing was relaunched")
    return OK if failed or stale else ERROR


def _cells_of(plan: Plan, answer: Expansion) -> list[Cell]:
    touched = {plan.by_id[one.job].cell for one in answer.jobs}
    return [cell for cell in plan.cells if cell in touched]
