"""Opens an experiment for an engine: lease, journal in step with the attempts, workers adopted."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuilab.contract import identity
from tuilab.engine.base_commits import keep_commits
from tuilab.engine.decide.phase import Phase
from tuilab.engine.decide.retry import was_never_begun
from tuilab.engine.gather import Gatherer
from tuilab.engine.host import process_tree
from tuilab.engine.host.provenance import keep_code, launch_provenance
from tuilab.engine.perform import Performer
from tuilab.engine.places import place_for
from tuilab.engine.state import JournaledStates
from tuilab.engine.watch_attempts import Watcher
from tuilab.engine.workers import Workers
from tuilab.grid.jobs import Plan
from tuilab.store.engine_file import tell_trouble
from tuilab.store.file_stamp import stamp_of
from tuilab.store.layout import Layout
from tuilab.store.lease import Holder, Lease, acquire, holder
from tuilab.store.live_attempts import LiveAttempts
from tuilab.store.plan_file import load_plan_file
from tuilab.store.quarantine import put_folders_away, quarantine
from tuilab.store.recovery import recover
from tuilab.store.replan import current_plan

FENCE_SECONDS = 10.0
"""How long a fenced engine may take to notice before it is killed."""


@dataclass(frozen=True, slots=True)
class Opened:
    """All that the loop works with."""

    layout: Layout
    lease: Lease
    states: JournaledStates
    gatherer: Gatherer
    performer: Performer
    ended: frozenset[tuple[str, int]]
    """Job and number of attempts that had ended, or were lost, before this engine came."""


def open_experiment(root: Path, go: bool, takeover: bool, on: str = "") -> Opened:
    """Become the engine of an experiment and bring it in step with what is on disk.

    ``on`` names the place where its workers run, if it is not the plan's.
    Raises LeaseHeldError when another engine lives, CopyError for a copy, PlanFileError when there
    is no usable plan.
    """
    layout = Layout(root)
    stamp, found = stamp_of(layout.plan), load_plan_file(root)
    for folder in (layout.jobs, layout.workers, layout.requests):
        if not folder.is_dir() and (folder.exists() or folder.is_symlink()):
            quarantine(layout, folder, "is no folder", time.time())
        folder.mkdir(parents=True, exist_ok=True)
    put_folders_away(layout, time.time())
    former = holder(layout, time.time()) if takeover else None
    lease = acquire(layout, time.time(), takeover)
    tell_trouble(layout, "", time.time())
    if former is not None:
        _see_off(former)
    if stamp_of(layout.plan) != stamp:
        found = load_plan_file(root)
    plan = current_plan(layout, found)
    whose = lease.holder.experiment
    place = place_for(plan.resources, whose.id if whose else "", on)
    workers = Workers(layout, place, whose)
    _retire_unborn(workers)
    recovery = recover(layout, plan, time.time(), lease.check)
    states = JournaledStates(plan, recovery.journal, layout, recovery.ledger)
    gatherer = Gatherer(layout, states, workers, Watcher(layout))
    performer = Performer(gatherer, _provenance(layout, plan))
    me = lease.holder.identity
    before = _engine_before(recovery.ledger.engine, former is not None)
    states.record("engine-started", pid=me.pid, host=socket.gethostname(), go=go, **before)
    if plan is not found.plan:
        text = "the grid was planned again: the runner code has changed since"
        states.record("note", text=text)
    for loss in recovery.losses:
        states.record("note", text=loss)
    if keep_commits(layout, states):
        gatherer.take_plan()
    _ask_again(states)
    _adopt(states, workers)
    return Opened(layout, lease, states, gatherer, performer, _ended(layout, states))


def _engine_before(last: Mapping[str, Any], was_alive: bool) -> dict[str, str]:
    """Name the engine before this one if it did not end by itself: it was fenced, or had died."""
    if last.get("kind") != "engine-started":
        return {}
    where = "" if last.get("host") == socket.gethostname() else f" on {last.get('host')}"
    return {"took_over" if was_alive else "died": f"pid {last.get('pid')}{where}"}


def _see_off(former: Holder) -> None:
    """Wait until a fenced engine of this host is gone; it must not act on what it still knows."""
    if former.identity == identity.me():
        return
    process_tree.send(former.identity, signal.SIGTERM)
    deadline = time.monotonic() + FENCE_SECONDS
    while identity.is_alive(former.identity) and time.monotonic() < deadline:
        time.sleep(0.05)
    process_tree.send(former.identity, signal.SIGKILL)


def _retire_unborn(workers: Workers) -> None:
    """Nobody here is starting a worker yet: one without a lease must never come up."""
    workers.adopt(())
    workers.look()
    for worker in workers.known.values():
        if worker.sighting.phase is Phase.UNBORN:
            workers.retire(worker)


def _provenance(layout: Layout, plan: Plan) -> dict[str, object]:
    found = dict(launch_provenance())
    try:
        found["code"] = keep_code(layout.code)
    except OSError as error:  # a full disk must not keep living workers from being adopted
        found["code"] = None
        found["code_problem"] = str(error)
    return {**found, "plan_code_version": plan.code_version}


def _ask_again(states: JournaledStates) -> None:
    """Ask anew for what was asked for and never begun: the engine died between two steps."""
    wanted = {}
    for job in sorted(states.ledger.evidence.lost):
        evidence = states.ledger.of(job)
        last = evidence.attempts[-1]
        if not was_never_begun(last) or evidence.held:
            continue
        if evidence.wanted == last.number:
            wanted[job] = last.number + 1
    if wanted:
        states.record("wanted", jobs=wanted, verb="retry", by="engine", why="it had not started")


def _ended(layout: Layout, states: JournaledStates) -> frozenset[tuple[str, int]]:
    """Return the attempts that a reader without an engine shows as ended or lost."""
    attempts = LiveAttempts(layout, states.plan)
    lasts = {job: states.ledger.of(job).attempts[-1] for job in states.live}
    for job, last in lasts.items():
        attempts.follow(job, last)
    attempts.look(time.time(), engine_alive=False, last=lasts.__getitem__)
    return frozenset((job, lasts[job].number) for job in attempts.over)


def _adopt(states: JournaledStates, workers: Workers) -> None:
    """Take living workers over, and keep the dead ones whose attempts are not settled."""
    owners = {job: states.ledger.of(job).attempts[-1].worker for job in sorted(states.live)}
    workers.adopt(owners.values())
    workers.look()
    entries = []
    for job, worker in owners.items():
        record = workers.known.get(worker)
        if record is not None and record.sighting.phase is Phase.ALIVE:
            number = states.ledger.of(job).attempts[-1].number
            entries.append({"kind": "adopted", "job": job, "attempt": number, "worker": worker})
    states.record_all(entries)
