"""The engine's lease: which process alone may write here, by exclusive creation of engine.lock."""

from __future__ import annotations

import fcntl
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tuilab.contract import atomic
from tuilab.contract.identity import ExperimentRef, Identity, is_alive, me
from tuilab.contract.parsing import read_if_sound
from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.store.engine_file import read_heartbeat, silence_allowed, write_heartbeat
from tuilab.store.experiment_id import here, keep_record, new_record, read_record, refuse_copy
from tuilab.store.layout import Layout
from tuilab.store.quarantine import quarantine

GUARD_SECONDS = 5.0
"""How long a change of hands may keep others waiting; after that fencing alone protects."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds an experiment."""

    identity: Identity
    token: str
    since: float
    """Unix time of the acquisition."""
    experiment: ExperimentRef | None = None
    """What it holds; None where version 0.1 wrote it."""

    def __str__(self) -> str:
        return f"pid {self.identity.pid} on {self.identity.host}"


class LeaseHeldError(Exception):
    """Another engine holds the experiment; ``holder`` says which."""

    def __init__(self, holder: Holder | None) -> None:
        who = f"the engine with {holder}" if holder else "an engine that cannot be identified"
        super().__init__(f"{who} holds this experiment: open it read-only or use --takeover")
        self.holder = holder


class FencedError(Exception):
    """Another engine has taken the experiment over; this one must stop without writing."""


@dataclass(slots=True)
class Lease:
    """The right to write, held by this process; every write is preceded by ``check``."""

    layout: Layout
    holder: Holder
    view: EngineView = field(default_factory=EngineView)

    def check(self) -> None:
        """Return if the lease is still ours; FencedError if another engine took it.

        A lock that vanished or became unreadable is made anew: its owner is here and alive.
        """
        for _ in range(3):
            found = _read_lock(self.layout.lock)
            if found is not None:
                if found.token == self.holder.token:
                    return
                raise FencedError(f"{found} has taken this experiment over")
            if self.layout.lock.exists():
                quarantine(self.layout, self.layout.lock, "unreadable lock", self.holder.since)
            atomic.create_json(self.layout.lock, asdict(self.holder))
        raise FencedError(f"{self.layout.lock} can be neither read nor made again")

    def heartbeat(self, view: EngineView, now: float) -> None:
        """Say that the engine lives and what it does; FencedError if another took over."""
        self.check()
        self.view = view
        write_heartbeat(self.layout, self.holder.identity, self.holder.token, view, now)

    def release(self, now: float) -> None:
        """Give the experiment back; does nothing if another engine has it.

        Who held it for a moment, after an engine that left in order, leaves that one's last word.
        """
        beat = read_heartbeat(self.layout)
        try:
            if beat is not None and beat.view.state is EngineState.STOPPED:
                self.check()
            else:
                self.heartbeat(replace(self.view, state=EngineState.STOPPED, note=""), now)
        except FencedError:
            return
        with _alone(self.layout.lock):
            _displace(self.layout.lock, self.holder.token)


def acquire(
    layout: Layout, now: float, takeover: bool = False, identity: Identity | None = None
) -> Lease:
    """Become the one engine of an experiment.

    A dead owner (other boot, reused pid, zombie) is replaced at once, a silent one on another host
    after ``SILENT_AFTER`` seconds, a living one only with ``takeover``; it is then fenced.
    An experiment of version 0.1 gets its id here, and one that was moved records its new place.
    Raises LeaseHeldError, and CopyError for a copy, whose lock is the original's.
    """
    with _alone(layout.lock):
        refuse_copy(layout)
        record = read_record(layout) or new_record(layout.root)
        whose = here(record, layout.root).ref
        mine = Holder(identity or me(), uuid.uuid4().hex, now, whose)
        lease = _take(layout, mine, now, takeover)
        keep_record(layout, record)
        return lease


@contextmanager
def held(layout: Layout) -> Iterator[Lease]:
    """Hold an experiment for a moment, where no engine does; LeaseHeldError."""
    lease = acquire(layout, time.time())
    try:
        yield lease
    finally:
        lease.release(time.time())


def _take(layout: Layout, mine: Holder, now: float, takeover: bool) -> Lease:
    for _ in range(10):
        if atomic.create_json(layout.lock, asdict(mine)):
            return Lease(layout, mine)
        found = _read_lock(layout.lock)
        if found is None:
            _clear_unreadable(layout, now, takeover)
        elif takeover or not _may_live(layout, found, now):
            _displace(layout.lock, found.token)
        else:
            raise LeaseHeldError(found)
    raise LeaseHeldError(_read_lock(layout.lock))


def holder(layout: Layout, now: float) -> Holder | None:
    """Return the process that holds the experiment and may be alive, or None."""
    found = _read_lock(layout.lock)
    if found is None and layout.lock.exists():
        found = _last_heard(layout)
    return found if found is not None and _may_live(layout, found, now) else None


def _may_live(layout: Layout, found: Holder, now: float) -> bool:
    alive = is_alive(found.identity)
    if alive is not None:
        return alive
    beat = read_heartbeat(layout)
    last_sign = beat.heartbeat_at if beat is not None and beat.token == found.token else found.since
    return now - last_sign <= silence_allowed(found.identity)


def _last_heard(layout: Layout) -> Holder | None:
    beat = read_heartbeat(layout)
    return None if beat is None else Holder(beat.identity, beat.token, beat.heartbeat_at)


def _clear_unreadable(layout: Layout, now: float, takeover: bool) -> None:
    """Put a lock away that names nobody, unless the heartbeat shows that its owner lives."""
    owner = _last_heard(layout)
    if owner is not None and not takeover and _may_live(layout, owner, now):
        raise LeaseHeldError(owner)
    quarantine(layout, layout.lock, "the lock names no process", now)


def _read_lock(path: Path) -> Holder | None:
    return read_if_sound(path, Holder)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Keep other processes of this machine from changing the lock meanwhile.

    Between the look at a dead owner's lock and its removal another may have put its own there; it
    would be moved aside for a moment, in which a third could make one too. Where the volume knows
    no ``flock``, the first of those two is fenced at its next write.
    """
    with lock.with_name(f".{lock.name}.guard").open("a") as file:
        deadline = time.monotonic() + GUARD_SECONDS
        while time.monotonic() < deadline:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:
                break
            else:
                break
        yield


def _displace(path: Path, token: str) -> None:
    """Remove the lock that carries ``token``; one that was made meanwhile is put back."""
    aside = atomic.draft_of(path)
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    moved = _read_lock(aside)
    if moved is not None and moved.token != token:
        atomic.give_name(aside, path)
    aside.unlink(missing_ok=True)
    atomic.sync(path.parent)
