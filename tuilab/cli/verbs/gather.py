"""``tuilab gather``: brings results from a pod that shares no volume with this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli import complete
from tuilab.cli.errors import ERROR, OK, USAGE, RefusalError
from tuilab.cli.output import document, plain, tell
from tuilab.cli.verbs.arguments import AsJson
from tuilab.contract.report import readable_outcome
from tuilab.contract.tail import JsonlFollower
from tuilab.grid.jobs import Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.text import count_of
from tuilab.store.attempts import is_whole
from tuilab.store.experiment import create_experiment
from tuilab.store.journal import follow
from tuilab.store.layout import Layout
from tuilab.store.lease import LeaseHeldError, held
from tuilab.store.plan_file import PlanFileError, load_plan
from tuilab.store.recovery import recover

STAGING = ".gather"
"""Below the experiment: what has not arrived whole; a transfer that broke off goes on there."""
WATCH_SECONDS = 30.0
_HOST = re.compile(r"[\w.@-]+")


class BrokenOffError(RefusalError):
    """A transfer did not come to its end; the next may."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What one round brought."""

    new: tuple[str, ...]
    """Jobs whose results came."""
    known: int
    """Results that were here already."""
    passed_over: tuple[str, ...]
    """Jobs that have an attempt of the same number here, or did not arrive whole."""
    is_over: bool
    """Every job of the plan is done here."""


def gather(
    source: Annotated[str, typer.Argument(metavar="HOST:DIR", help="The experiment there.")],
    into: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR",
            help="The experiment here; runs/NAME.",
            autocompletion=complete.experiments,
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep bringing what is done, every 30 s.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Bring the finished results of the same plan from another machine, by rsync.

    For pods without a shared volume: run different cells on each, and gather them in one folder.
    Nothing comes twice, nothing here is overwritten, and merged models stay where they are.

    \b
    tuilab gather pod1:/workspace/runs/eps109
    tuilab gather pod2:runs/eps109 runs/eps109 --watch
    """
    host, _, folder = source.partition(":")
    if not folder or not _HOST.fullmatch(host) or host.startswith("-"):
        raise RefusalError(f"{source} is not HOST:DIR, as rsync would write it", USAGE)
    root = into or Path("runs") / Path(folder).name
    said, has_come = "", False
    while True:
        try:
            found = _round(source.rstrip("/"), root)
        except BrokenOffError as error:
            if not (watch and has_come):
                raise
            if str(error) != said:
                tell(plain(f"{error}; tried again every {WATCH_SECONDS:.0f} s"))
            said = str(error)
        else:
            said, has_come = "", True
            _say(found, root, as_json)
            if not watch or found.is_over:
                return ERROR if found.passed_over else OK
        time.sleep(WATCH_SECONDS)


def _say(found: Gathered, root: Path, as_json: bool) -> None:
    if as_json:
        told = {"new": list(found.new), "known": found.known}
        document({**told, "passed_over": list(found.passed_over), "is_over": found.is_over})
        return
    tell(f"{count_of(len(found.new), 'new result')} in {root}, {found.known} were here already")
    for name in found.passed_over:
        tell(plain(f"skipped: {name} has an attempt of that number here, or came incomplete"))


def _round(source: str, root: Path) -> Gathered:
    """Bring what is new, and record it; one that broke off has changed nothing but the staging."""
    with tempfile.TemporaryDirectory(prefix="tuilab-gather-") as place:
        there = Layout(Path(place))
        names = ("plan.json", "experiment.toml", "journal.jsonl")
        _rsync(source, there.root, [f"/{name}" for name in names])
        try:
            plan = load_plan(there.root)
        except PlanFileError as error:
            raise RefusalError(f"{source} is not an experiment: {error}") from error
        layout = _local(root, plan, there)
        done = _done(follow(there))
    mine = _done(follow(layout))
    wanted = {job: number for job, number in done.items() if job in plan.by_id and job not in mine}
    return _bring(source, layout, wanted, len(set(done) & set(mine)))


def _local(root: Path, plan: Plan, there: Layout) -> Layout:
    """Return the experiment here, made if there is none; RefusalError for one of another plan."""
    if not root.exists():
        config = there.config.read_text() if there.config.exists() else ""
        return create_experiment(root, config, plan)
    mine = load_plan(root)
    for name in sorted({*mine.by_id, *plan.by_id}):
        here, far = mine.by_id.get(name), plan.by_id.get(name)
        if here is None or far is None or here.fingerprint != far.fingerprint:
            raise RefusalError(f"{root} belongs to another plan: {name} is not the same in both")
    return Layout(root.absolute())


def _done(follower: JsonlFollower) -> dict[str, int]:
    """Return job -> attempt of what a journal calls done."""
    ledger = Ledger()
    for lines in follower.batches():
        ledger.fold(lines)
    lasts = {job: known.last_done for job, known in ledger.evidence.items()}
    return {job: last.number for job, last in lasts.items() if last is not None}


def _bring(source: str, layout: Layout, wanted: dict[str, int], known: int) -> Gathered:
    places = {job: layout.attempt_dir(job, number) for job, number in wanted.items()}
    free = {job: place for job, place in places.items() if not place.exists()}
    staging = Layout(layout.root / STAGING)
    staging.root.mkdir(exist_ok=True)
    if free:
        paths = [f"/{place.relative_to(layout.root)}/***" for place in free.values()]
        _rsync(source, staging.root, paths)
    came = [job for job in free if _is_sound(staging.attempt_dir(job, wanted[job]))]
    try:
        with held(layout) as lease:
            for job in came:
                free[job].parent.mkdir(parents=True, exist_ok=True)
                staging.attempt_dir(job, wanted[job]).rename(free[job])
            plan = load_plan(layout.root)
            ledger = recover(layout, plan, time.time(), lease.check, came=True).ledger
    except LeaseHeldError as error:
        raise RefusalError(f"{error}; what came waits in {staging.root}") from error
    shutil.rmtree(staging.root, ignore_errors=True)
    is_over = all(ledger.of(job.id).last_done for job in plan.jobs)
    return Gathered(tuple(came), known, tuple(sorted(set(wanted) - set(came))), is_over)


def _is_sound(attempt: Path) -> bool:
    outcome = readable_outcome(attempt)
    if outcome is None:
        return False
    return all(is_whole(attempt, one.path, one.size) for one in outcome.artefacts)


def _rsync(source: str, target: Path, paths: list[str]) -> None:
    """Bring these paths below the source (rsync's patterns); BrokenOffError with its words."""
    above = sorted({f"{part}/" for path in paths for part in _parents(path)})
    rules = ["- resume/", "- merged/", *(f"+ {one}" for one in [*above, *paths]), "- *"]
    if shutil.which("rsync") is None:
        raise RefusalError("there is no rsync here")
    done = subprocess.run(
        ["rsync", "-rltz", "--partial", "--filter=. -", f"{source}/", f"{target}/"],
        input="\n".join(rules) + "\n",
        text=True,
        capture_output=True,
    )
    if done.returncode:
        last = [line for line in done.stderr.splitlines() if line.strip()][:1]
        raise BrokenOffError(f"rsync from {source}: {' '.join(last) or done.returncode}")


def _parents(path: str) -> list[str]:
    parts = path.removesuffix("/***").strip("/").split("/")[:-1]
    return ["/" + "/".join(parts[: number + 1]) for number in range(len(parts))]
