"""``tuilab stop``, ``pause`` and ``resume``: requests that hold work back or let it continue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli.errors import ERROR, OK, RefusalError
from tuilab.cli.output import document, out, out_first
from tuilab.cli.requests import agreed, ask_and_say
from tuilab.cli.resolve import find_own_grid
from tuilab.cli.verbs.arguments import AsJson, Cells, Dir, DryRun, Yes
from tuilab.grid.states import State
from tuilab.grid.text import count_of
from tuilab.grid.why_not import why_not_pause, why_not_resume
from tuilab.store.read_state import read_state
from tuilab.store.status import lazy_status


def stop(
    directory: Dir,
    cells: Cells = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    """Stop running jobs and take queued ones back: all, or those of the cells and jobs you name.

    Stopped jobs do not count as failed. `tuilab run` continues them.

    \b
    tuilab stop runs/tiny
    tuilab stop runs/tiny villain@4 --dry-run
    """
    root = find_own_grid(directory)
    running, due = _what_stops(root, cells or [])
    if as_json and dry_run:
        document({"verb": "stop", "ends": running, "takes_back": due})
        return OK
    if not running and not due:
        raise RefusalError("none of these is running, queued or waiting")
    if not as_json:
        out(f"stop: ends {count_of(len(running), 'running job')}, takes back {len(due)} queued")
        out_first([*(f"{job}  (running)" for job in running), *due], most=60)
    if dry_run:
        return OK
    if not agreed("stop these jobs?", yes):
        return ERROR
    jobs = (*running, *due) if cells else ()
    return ask_and_say(root, "stop", "stopping", as_json, jobs=jobs)


def pause(
    directory: Dir,
    hard: Annotated[
        bool, typer.Option("--hard", help="Also suspend running jobs; they keep their memory.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Start nothing new. Running jobs continue, unless --hard suspends them.

    \b
    tuilab pause runs/tiny
    tuilab pause runs/tiny --hard
    """
    root = find_own_grid(directory)
    mode = "hard" if hard else "soft"
    engine, paused = _engine_state(root)
    if why := why_not_pause(engine, paused, mode):
        raise RefusalError(why)
    return ask_and_say(root, "pause", "paused", as_json, options={"mode": mode})


def resume(directory: Dir, as_json: AsJson = False) -> int:
    """Continue after a pause. Starts an engine if none is running.

    \b
    tuilab resume runs/tiny
    """
    root = find_own_grid(directory)
    if why := why_not_resume(*_engine_state(root)):
        raise RefusalError(why)
    return ask_and_say(root, "resume", "resumed", as_json)


def _what_stops(root: Path, names: list[str]) -> tuple[list[str], list[str]]:
    """Return the jobs that are running and those that are queued, in plan order."""
    state = read_state(root)
    chosen = set(state.jobs(names)) if names else set(state.statuses)
    found = [state.statuses[job.id] for job in state.plan.jobs if job.id in chosen]
    running = [status.job for status in found if status.state is State.RUNNING]
    due = [status.job for status in found if status.state in (State.QUEUED, State.WAITING)]
    return running, due


def _engine_state(root: Path) -> tuple[str, str]:
    engine = lazy_status(root)["engine"]
    return engine["state"], engine["pause"]
