"""Makes a copy an experiment of its own: results stay, what was under way belongs elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tuilab.contract import atomic
from tuilab.contract.report import OUTCOME_FILE
from tuilab.contract.worker import COPIED, EXIT_FILE, LEASE_FILE
from tuilab.engine.state import JournaledStates
from tuilab.grid.endings import Ending, settled
from tuilab.grid.states import Verdict
from tuilab.store.evidence import settled_line
from tuilab.store.experiment_id import copy_of, is_at_work, new_record, read_record, write_record
from tuilab.store.journal import Journal
from tuilab.store.layout import Layout
from tuilab.store.lease import LeaseHeldError, acquire, holder
from tuilab.store.quarantine import quarantine
from tuilab.store.recovery import recover
from tuilab.store.replan import current_plan


class NoCopyError(Exception):
    """The folder is no copy; its text says what it is."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """What became of a copy."""

    of: str
    """The folder of which it was one."""
    stopped: tuple[str, ...]
    """Jobs that were under way there."""
    requests: int
    """Wishes that were left for the original."""


def adopt_copy(root: Path, by: str) -> Adopted:
    """Give a copy an id of its own, then record what was under way as stopped.

    A folder whose original cannot be seen from here (it lies on another machine) counts as one.
    The id comes last of what makes it a copy: cut in between, it is still one. Raises NoCopyError,
    LeaseHeldError, PlanFileError.
    """
    layout, now = Layout(root), time.time()
    before = read_record(layout)
    of = copy_of(layout)
    if before is None:
        raise NoCopyError(f"{root} has no id yet: its first engine gives it one")
    if not of and before.path == new_record(root).path:
        raise NoCopyError(f"{root} is not a copy: it is where it was made or last worked on")
    if not of and is_at_work(layout, before):
        raise NoCopyError(f"{root} is not a copy: it was moved, and its workers are at work in it")
    if not of and (held := holder(layout, now)) is not None:
        raise LeaseHeldError(held)
    plan = current_plan(layout)
    for folder in layout.workers.iterdir() if layout.workers.is_dir() else ():
        if folder.is_dir() and not (folder / EXIT_FILE).exists():
            atomic.write_json(folder / LEASE_FILE, {"retired": True, "why": COPIED})
    wishes = list(layout.requests.glob("*.json"))
    for path in (layout.lock, layout.engine, *wishes):
        if path.is_dir() and not path.is_symlink():
            quarantine(layout, path, "is a folder, not a file", now)
        path.unlink(missing_ok=True)  # the original has its own
    write_record(layout, new_record(root, before.ref))
    lease = acquire(layout, now)
    try:
        ledger = recover(layout, plan, now, lease.check).ledger
        states = JournaledStates(plan, Journal(layout, lease.check), layout, ledger)
        stopped = _stop_what_was_under_way(states, layout, by)
        text = f"was a copy of {of or before.path}; it has an id of its own now"
        states.record("note", text=text)
    finally:
        lease.release(time.time())
    return Adopted(of or before.path, stopped, len(wishes))


def _stop_what_was_under_way(states: JournaledStates, layout: Layout, by: str) -> tuple[str, ...]:
    """Settle the attempts that left no outcome; one that did is settled from it as ever."""
    lasts = {job: states.ledger.of(job).attempts[-1] for job in sorted(states.live)}
    cut = {
        job: last
        for job, last in lasts.items()
        if not (layout.attempt_dir(job, last.number) / OUTCOME_FILE).exists()
    }
    ending = Ending(Verdict.STOPPED, detail=COPIED, by=by)
    states.record_all(settled_line(job, settled(last, ending)) for job, last in cut.items())
    return tuple(cut)
