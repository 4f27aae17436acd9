"""``tuilab queue``: what runs, what is next and why not yet; moves, holds and releases jobs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from tuilab.cli import complete
from tuilab.cli.errors import OK, USAGE, RefusalError
from tuilab.cli.output import document, out, out_first, plain
from tuilab.cli.requests import ask_and_say
from tuilab.cli.resolve import find_experiment, find_own_grid
from tuilab.cli.verbs.arguments import AsJson, DryRun, OptionalDir
from tuilab.grid.signs import sign_of
from tuilab.grid.states import JobStatus, State
from tuilab.grid.text import count_of, whole_percent
from tuilab.grid.why_queued import why_not_yet
from tuilab.store.read_state import read_state
from tuilab.store.reader import Reader
from tuilab.store.snapshot import Snapshot

Names = list[str] | None


def _option(name: str, what: str) -> Any:
    completed = complete.cells_or_jobs
    return typer.Option(name, metavar="CELL|JOB", help=what, autocompletion=completed)


def queue(
    directory: OptionalDir = None,
    first: Annotated[Names, _option("--first", "Move to the front, in this order.")] = None,
    hold: Annotated[Names, _option("--hold", "Hold: do not start.")] = None,
    release: Annotated[Names, _option("--release", "Release held jobs.")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Show the queue in launch order, or move, hold and release jobs in it.

    A CELL means all its stages; a JOB, such as eval/villain@4#42, just one.

    \b
    tuilab queue runs/tiny
    tuilab queue runs/tiny --first villain@4 --first 'comedian@*'
    tuilab queue runs/tiny --hold eval/villain@4#42
    """
    given = {"order": first, "hold": hold, "release": release}
    asked = [(verb, names) for verb, names in given.items() if names]
    if len(asked) > 1:
        raise RefusalError("give only one of --first, --hold and --release", USAGE)
    if not asked:
        return _show(find_experiment(directory), as_json)
    return _change(find_own_grid(directory), *asked[0], dry_run, as_json)


def _change(root: Path, verb: str, names: list[str], dry_run: bool, as_json: bool) -> int:
    jobs = read_state(root).jobs(names)
    if as_json and dry_run:
        document({"verb": verb, "jobs": jobs})
        return OK
    if not as_json:
        what = {"order": "to the front", "hold": "hold", "release": "release"}[verb]
        out(f"{what}: {count_of(len(jobs), 'job')}")
        out_first(jobs, most=60)
    if dry_run:
        return OK
    said = {"order": "moved to the front", "hold": "held", "release": "released"}[verb]
    return ask_and_say(root, verb, said, as_json, jobs=tuple(jobs))


def _show(root: Path, as_json: bool) -> int:
    snapshot = Reader(root).poll(time.time())
    known = snapshot.statuses
    running = [job for job in known.values() if job.state is State.RUNNING]
    due = [_due(known[name], snapshot) for name in snapshot.queue]
    if as_json:
        live = [{"job": job.job, "percent": job.percent} for job in running]
        document({"experiment": snapshot.name, "running": live, "due": due})
        return OK
    for job in running:
        percent = f"  {whole_percent(job.percent)}".rstrip()
        out(f"   {sign_of(job.state, job.stage)} {plain(job.job)}{percent}")
    rows = enumerate(due, 1)
    out_first([f"{n:>2} {one['job']}  {one['state']}: {one['why'][:160]}" for n, one in rows], 200)
    if not running and not due:
        out("nothing is running or queued")
    return OK


def _due(status: JobStatus, snapshot: Snapshot) -> dict[str, str]:
    """Say why a requested job has not started."""
    why = why_not_yet(snapshot.engine, status)
    return {"job": status.job, "state": status.state.value, "why": why}
