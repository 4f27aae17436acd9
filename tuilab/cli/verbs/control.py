"""``tuilab stop``, ``pause`` and ``resume``: wishes that hold work back or let it go on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli.guard import ERROR, OK, RefusalError
from tuilab.cli.verbs.arguments import AsJson, Cells, Dir, DryRun, Yes


def stop(
    directory: Dir,
    cells: Cells = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    """End running jobs and take queued ones back: all, or those of the cells named.

    Stopped jobs are never shown as failed; tuilab run continues them.

    \b
    tuilab stop runs/tiny
    tuilab stop runs/tiny villain@8 --dry-run
    """
    from tuilab.cli.places import find_experiment
    from tuilab.cli.say import count_of, document, is_interactive, out, plain, tell

    root = find_experiment(directory)
    running, due = _what_stops(root, cells or [])
    if as_json and dry_run:
        document({"verb": "stop", "ends": running, "takes_back": due})
        return OK
    if not running and not due:
        raise RefusalError("nothing of it is running, queued or waiting")
    if not as_json:
        out(f"stop: ends {count_of(len(running), 'running job')}, takes back {len(due)} asked for")
        for job in [*running, *due][:40]:
            out(f"  {plain(job)}" + ("  (running)" if job in running else ""))
    if dry_run:
        return OK
    if not yes and is_interactive() and not typer.confirm("stop these jobs?", default=False):
        tell("nothing was changed")
        return ERROR
    names = tuple(map(str, _cells(root, cells))) if cells else ()
    return _ask(root, "stop", as_json, cells=names)


def pause(
    directory: Dir,
    hard: Annotated[
        bool, typer.Option("--hard", help="Also suspend what is running; its memory stays taken.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Start nothing new; what runs goes on (--hard: is suspended where it stands).

    \b
    tuilab pause runs/tiny
    tuilab pause runs/tiny --hard
    """
    from tuilab.cli.places import find_experiment
    from tuilab.grid.why_not import why_not_pause

    root = find_experiment(directory)
    mode = "hard" if hard else "soft"
    engine, paused = _engine_state(root)
    if why := why_not_pause(engine, paused, mode):
        raise RefusalError(why)
    return _ask(root, "pause", as_json, options={"mode": mode})


def resume(directory: Dir, as_json: AsJson = False) -> int:
    """Go on after a pause; starts an engine when none is running.

    \b
    tuilab resume runs/tiny
    """
    from tuilab.cli.places import find_experiment
    from tuilab.grid.why_not import why_not_resume

    root = find_experiment(directory)
    if why := why_not_resume(*_engine_state(root)):
        raise RefusalError(why)
    return _ask(root, "resume", as_json)


def _ask(root: Path, verb: str, as_json: bool, **parts: object) -> int:
    """Leave the wish, see that an engine reads it, and say what it answered."""
    from tuilab.cli.answers import journal_end, wait_for_answer
    from tuilab.cli.launching import leave_request, start_engine
    from tuilab.cli.say import document, plain, tell
    from tuilab.store.layout import Layout
    from tuilab.store.lease import holder

    end = journal_end(root)
    request = leave_request(root, verb, **parts)
    if holder(Layout(root), time.time()) is None:
        start_engine(root, go=verb == "resume")
    reply = wait_for_answer(root, request, end)
    if as_json:
        document({"verb": verb, "accepted": reply.accepted, "why": reply.why})
    elif reply.accepted is None:
        tell(reply.why)
    else:
        words = {"stop": "stopping", "pause": "paused", "resume": "going on"}
        tell(plain(reply.why) if reply.why else words[verb])
    return ERROR if reply.accepted is False else OK


def _cells(root: Path, selectors: list[str] | None) -> list[object]:
    from tuilab.grid.cells import select_all
    from tuilab.store.plan_file import load_plan

    return list(select_all(selectors or [], load_plan(root).cells))


def _what_stops(root: Path, selectors: list[str]) -> tuple[list[str], list[str]]:
    """Return the jobs that are running and those that are asked for, in plan order."""
    from tuilab.cli.standing import read_standing
    from tuilab.grid.states import State

    standing = read_standing(root)
    chosen = set(standing.cells(selectors))
    found = [
        standing.states[job.id] for job in standing.plan.jobs if not selectors or job.cell in chosen
    ]
    running = [status.job for status in found if status.state is State.RUNNING]
    due = [status.job for status in found if status.state in (State.QUEUED, State.WAITING)]
    return running, due


def _engine_state(root: Path) -> tuple[str, str]:
    from tuilab.store.status import status

    engine = status(root)["engine"]
    return engine["state"], engine["pause"]
