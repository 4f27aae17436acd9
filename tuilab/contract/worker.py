"""The files of a worker directory: who it is, what it is to serve, and how its tree ended."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuilab.contract import atomic
from tuilab.contract.identity import MARKER_VARIABLE, ExperimentRef, Identity, works_elsewhere
from tuilab.contract.parsing import loads, open_plain, read, read_if_sound, typed
from tuilab.contract.reasons import Exit

UNREADABLE_EXIT = "its exit record is unreadable"
COPIED = "its worker belongs to the experiment that this one was copied from"
LEASE_FILE = "lease.json"
EXIT_FILE = "exit.json"
LOG_FILE = "log.txt"
STOP_FILE = "stop.json"
"""The intent to end the worker, written before any signal: a shim that only comes up obeys it."""
INBOX = "inbox"
CLOSE_FILE = "close"
"""In the inbox: the engine assigns no more; the worker leaves when the rest is served."""
CLOSED_FILE = "closed"
"""In the inbox, created exclusively by the leaving worker; what comes later is unserved."""
SUSPEND_FILE = "suspend"
"""The tree is to stop where it stands while this is there: for shims that no signal reaches."""
BEAT_FILE = "beat.json"
"""The shim's word that it lives, written in place every few seconds."""
BEAT_BYTES = 2048
"""Its size, always the same."""
NO_BEAT = (0, 0)
"""The stamp of a beat that is not there."""
LOOK_VARIABLE = "TUILAB_LOOK_SECONDS"
"""How long a runner waits between two looks at its inbox; a network volume wants more."""
FENCE_VARIABLE = "TUILAB_FENCE_SECONDS"
"""How long a runner elsewhere may be silent before it looks whether its shim gives signs."""
HOLD_FILE = "hold"
"""Beside the inbox: the worker begins nothing more while it is there; what it is on goes on."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One attempt to serve; the file's number gives the order."""

    attempt_dir: Path
    """Absolute path; its spec.json says what to do."""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a worker's directory: its shim, or nobody ever again."""

    shim: Identity | None = None
    runner: Identity | None = None
    """None until it is started."""
    experiment: ExperimentRef | None = None
    """None where version 0.1 wrote it."""
    retired: bool = False
    """Taken by an engine: a shim that comes later leaves again."""
    why: str = ""
    """Why it was retired."""

    def __post_init__(self) -> None:
        if self.shim is None and not self.retired:
            raise ValueError("names no process")


@dataclass(frozen=True, slots=True)
class Beat:
    """What a shim says of itself."""

    count: int
    host: str = ""
    """For people; who it is stands in the lease."""
    at: float = 0.0
    """Unix time on its own machine."""
    is_suspended: bool = False
    devices: tuple[Mapping[str, Any], ...] = ()
    """Its GPUs, each {"index", "name", "percent", "memory_used", "memory_total"}."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The recorded intent to end a worker, or (by and at alone) one attempt."""

    by: str = ""
    at: float = 0.0
    """Unix time."""
    jobs: tuple[str, ...] = ()
    """Jobs on it that are meant; others on it are only in the way."""
    is_stall: bool = False
    """The watchdog ended it, not a person."""
    is_preempted: bool = False
    """Its place took it away: what it was on goes on elsewhere."""


def listed(folder: Path) -> frozenset[str]:
    """Return the names in a folder; none where it cannot be listed.

    Who waits for a file lists: asked for by name, a network volume remembers for half a minute that
    it was not there.
    """
    try:
        return frozenset(os.listdir(folder))  # noqa: PTH208  # names only
    except OSError:  # a volume that is away says nothing
        return frozenset()


def assign(worker_dir: Path, number: int, attempt_dir: Path) -> None:
    """Put one attempt into the worker's inbox, in order of ``number``."""
    inbox = worker_dir / INBOX
    inbox.mkdir(parents=True, exist_ok=True)
    atomic.write_json(inbox / f"{number:06d}.json", {"attempt_dir": str(attempt_dir)})


def assignments(worker_dir: Path, after: int = 0) -> list[Assignment]:
    """Return the assignments with a number above ``after``, in order; broken files are skipped."""
    return look_into_inbox(worker_dir, after)[0]


def look_into_inbox(worker_dir: Path, after: int = 0) -> tuple[list[Assignment], bool]:
    """Return those assignments, and whether nothing more will come; by one listing."""
    names, found = listed(worker_dir / INBOX), []
    for name in sorted(names):
        number, _, kind = name.partition(".")
        if kind != "json" or not number.isdecimal() or int(number) <= after:
            continue
        if (given := read_if_sound(worker_dir / INBOX / name, Assignment)) is not None:
            found.append(replace(given, number=int(number)))
    return found, CLOSE_FILE in names


def mark(worker_dir: Path, name: str, on: bool) -> None:
    """Put HOLD_FILE or SUSPEND_FILE into a worker's folder, or take it away."""
    if on:
        (worker_dir / name).touch()
    else:
        (worker_dir / name).unlink(missing_ok=True)


def is_held_back(worker_dir: Path) -> bool:
    """Whether nothing of the inbox may be begun now."""
    return HOLD_FILE in listed(worker_dir)


def read_lease(worker_dir: Path, experiment: str) -> Lease | None:
    """Return the lease of a worker of the experiment with this id, or None while there is none.

    One that came with a copy is retired: its processes are another folder's. ValueError or OSError
    when it is damaged: the worker may live, and is to be looked for by its marker.
    """
    try:
        found = read(worker_dir / LEASE_FILE, Lease)
    except FileNotFoundError:
        return None
    return Lease(retired=True, why=COPIED) if _is_copied(found, worker_dir, experiment) else found


def _is_copied(lease: Lease, worker_dir: Path, experiment: str) -> bool:
    if lease.experiment is not None and lease.experiment.id != experiment:
        return True
    return lease.shim is not None and works_elsewhere(lease.shim.pid, worker_dir)


def read_beat(worker_dir: Path) -> tuple[Beat | None, tuple[int, int]]:
    """Return a worker's last beat, with a stamp that changes whenever it gave a sign.

    (None, NO_BEAT) while there is none; None also where it was read half written. The file is
    opened for it: a network volume then asks the server what it otherwise remembers.
    """
    try:
        with open_plain(worker_dir / BEAT_FILE) as file:
            raw, about = file.read(BEAT_BYTES), os.fstat(file.fileno())
    except OSError:
        return None, NO_BEAT
    stamp = zlib.crc32(raw), about.st_mtime_ns
    try:
        return typed(loads(raw), Beat), stamp
    except ValueError:
        return None, stamp


def wait_for_sign(silent: float, env: Mapping[str, str] = os.environ) -> None:
    """Let a runner that said nothing for ``silent`` seconds go on only if its shim lives as well.

    A machine that was frozen for longer than the fence counts as gone, and its job may be at work
    elsewhere: here the shim ends the tree, and what thaws before it must not write first.
    """
    fence, folder = float(env.get(FENCE_VARIABLE) or 0.0), env.get(MARKER_VARIABLE)
    if not fence or not folder or silent <= fence:
        return
    deadline = time.monotonic() + 2 * fence
    while time.monotonic() < deadline:
        beat, (_, changed) = read_beat(Path(folder))
        if time.time() - max(beat.at if beat else 0.0, changed / 1e9) <= fence:
            return
        time.sleep(0.2)


def read_exit(worker_dir: Path) -> Exit | None:
    """Return how the worker's tree ended, or None while nobody has recorded it."""
    unreadable = Exit(why=UNREADABLE_EXIT)
    try:
        found = read(worker_dir / EXIT_FILE, Exit)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return unreadable
    return found if found.exit_code is not None or found.why else unreadable


def read_stop(folder: Path) -> Stop | None:
    """Return the record of a stop, of a worker or an attempt; None when there is none.

    One that is damaged still means that somebody asked.
    """
    try:
        return read(folder / STOP_FILE, Stop)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return Stop()
