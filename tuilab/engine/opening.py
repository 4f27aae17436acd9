"""Opens an experiment for an engine: lease, journal in step with the attempts, workers adopted."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tuilab.contract import identity
from tuilab.engine import tree
from tuilab.engine.board import Board
from tuilab.engine.executors import Executor
from tuilab.engine.facts import Phase
from tuilab.engine.gather import Gatherer
from tuilab.engine.local import LocalExecutor
from tuilab.engine.perform import Performer
from tuilab.engine.provenance import keep_code, launch_provenance
from tuilab.engine.records import Records
from tuilab.engine.retry import was_never_begun
from tuilab.engine.roster import Roster
from tuilab.engine.watching import Watcher
from tuilab.grid.jobs import Plan
from tuilab.store.journal import Journal
from tuilab.store.layout import Layout
from tuilab.store.lease import Holder, Lease, acquire, holder
from tuilab.store.plan_file import load_plan
from tuilab.store.recovery import recover

EXECUTORS: dict[str, Callable[[], Executor]] = {"local": LocalExecutor}
"""Places where workers can run, by their name in ``resources.executor``."""
FENCE_SECONDS = 10.0
"""How long a fenced engine may take to notice before it is killed."""


@dataclass(frozen=True, slots=True)
class Opened:
    """All that the loop works with."""

    layout: Layout
    lease: Lease
    board: Board
    records: Records
    gatherer: Gatherer
    performer: Performer


def open_experiment(root: Path, go: bool, takeover: bool) -> Opened:
    """Become the engine of an experiment and bring it in step with what is on disk.

    Raises LeaseHeldError when another engine lives, PlanFileError when there is no usable plan.
    """
    layout = Layout(root)
    plan = load_plan(root)
    executor = executor_named(str(plan.resources.get("executor") or "local"))
    for folder in (layout.jobs, layout.workers, layout.requests):
        folder.mkdir(parents=True, exist_ok=True)
    former = holder(layout, time.time()) if takeover else None
    lease = acquire(layout, time.time(), takeover)
    if former is not None:
        _see_off(former)
    roster = Roster(layout, executor)
    _retire_unborn(roster)
    board = Board(plan)
    recovery = recover(layout, plan, time.time(), lease.check)
    board.fold(recovery.lines)
    records = Records(Journal(layout, lease.check), board)
    gatherer = Gatherer(layout, board, roster, Watcher(layout))
    performer = Performer(records, gatherer, _provenance(layout, plan))
    me = lease.holder.identity
    records.say("engine-started", pid=me.pid, host=socket.gethostname(), go=go)
    for loss in recovery.losses:
        records.say("note", text=loss)
    _ask_again(records)
    _adopt(records, roster)
    return Opened(layout, lease, board, records, gatherer, performer)


def executor_named(name: str) -> Executor:
    """Return a new executor by its name in the config; ValueError for one that is not here."""
    if name not in EXECUTORS:
        raise ValueError(f"there is no executor {name!r}: use one of {', '.join(EXECUTORS)}")
    return EXECUTORS[name]()


def _see_off(former: Holder) -> None:
    """Wait until a fenced engine of this host is gone; it must not act on what it still knows."""
    if former.identity == identity.me():
        return
    tree.send(former.identity, signal.SIGTERM)
    deadline = time.monotonic() + FENCE_SECONDS
    while identity.is_alive(former.identity) and time.monotonic() < deadline:
        time.sleep(0.05)
    tree.send(former.identity, signal.SIGKILL)


def _retire_unborn(roster: Roster) -> None:
    """Nobody here is starting a worker yet: one without a lease must never come up."""
    for card in roster.adopt(()):
        card.sighting = roster.executor.poll(card.folder)
        if card.sighting.phase is Phase.UNBORN:
            roster.executor.retire(card.folder)


def _provenance(layout: Layout, plan: Plan) -> dict[str, object]:
    found = dict(launch_provenance())
    try:
        found["code"] = keep_code(layout.code)
    except OSError as error:  # a full disk must not keep living workers from being adopted
        found["code"] = None
        found["code_problem"] = str(error)
    return {**found, "plan_code_version": plan.code_version}


def _ask_again(records: Records) -> None:
    """Ask anew for what was asked for and never begun: the engine died between two steps."""
    wanted = {}
    for job, evidence in records.board.ledger.evidence.items():
        last = evidence.last
        if last is None or not was_never_begun(last) or evidence.held:
            continue
        if evidence.wanted == last.number:
            wanted[job] = last.number + 1
    if wanted:
        records.say("wanted", jobs=wanted, verb="retry", by="engine", why="it had not begun")


def _adopt(records: Records, roster: Roster) -> None:
    """Take living workers over, and keep the dead ones whose attempts are not settled."""
    board = records.board
    owners = {job: board.ledger.of(job).attempts[-1].worker for job in sorted(board.live)}
    roster.adopt(owners.values())
    roster.look()
    entries = []
    for job, worker in owners.items():
        card = roster.cards.get(worker)
        if card is not None and card.sighting.phase is Phase.ALIVE:
            number = board.ledger.of(job).attempts[-1].number
            entries.append({"kind": "adopted", "job": job, "attempt": number, "worker": worker})
    records.say_all(entries)
