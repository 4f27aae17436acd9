"""Finds and signals the processes of a worker, each checked by identity; counts OOM kills."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tuilab.contract import identity
from tuilab.contract.identity import Identity, bears_marker


@dataclass(frozen=True, slots=True)
class Process:
    """One line of the process table."""

    pid: int
    parent: int
    session: int
    start_ticks: int
    state: str
    """State letter; Z is a zombie, which is dead."""


def process_table() -> dict[int, Process]:
    """Return all processes that /proc shows, by pid; zombies are left out."""
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208  # names only: this runs several times a second
        if name.isdigit() and (process := _read(int(name))) and process.state not in "ZX":
            found[process.pid] = process
    return found


def members(worker_dir: Path, experiment: str, shim: int | None = None) -> list[Identity]:
    """Return the live processes of a worker of the experiment with this id, without its shim.

    Found by the marker in their environment, by descent from the shim's pid, and by the sessions
    these lead: a child that daemonised or cleared its environment is still found by one of the
    three.
    """
    table = process_table()
    found = {pid for pid in table if bears_marker(pid, worker_dir, experiment)}
    if shim in table:
        found |= _descendants(table, shim)
    found -= {shim, os.getpid()}
    led = {pid for pid in found if table[pid].session == pid}
    found |= {pid for pid, process in table.items() if process.session in led}
    return [who for pid in sorted(found) if (who := _identity_of(table[pid])) is not None]


def send(who: Identity, number: signal.Signals) -> bool:
    """Signal one process if it is still the one that ``who`` names; True when it was sent.

    The pid is pinned by a pidfd before its start time is compared, so that a stranger who got the
    same pid is never hit.
    """
    try:
        handle = os.pidfd_open(who.pid)
    except OSError:
        return False
    try:
        if identity.is_alive(who) is not True:
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def end(whom: Iterable[Identity], force: bool = False) -> None:
    """SIGTERM, or SIGKILL, to several, then SIGCONT: a suspended one could not see it."""
    asked = send_all(whom, signal.SIGKILL if force else signal.SIGTERM)
    send_all(asked, signal.SIGCONT)


def send_all(whom: Iterable[Identity], number: signal.Signals) -> list[Identity]:
    """Signal several processes, each once, and return those that were still there."""
    return [who for who in whom if send(who, number)]


def describe(who: Identity) -> str:
    """Return ``pid command line`` for people ("" for the command line where it is hidden)."""
    command = b""
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{who.pid}/cmdline").read_bytes()
    return f"{who.pid} {command.replace(bytes(1), b' ').decode(errors='replace')[:200]}".strip()


def _descendants(table: dict[int, Process], root: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: set[int] = set()
    pending = [root]
    while pending:
        for child in children.get(pending.pop(), ()):
            if child not in found:
                found.add(child)
                pending.append(child)
    return found


def _read(pid: int) -> Process | None:
    fields = identity.stat_fields(pid)
    if fields is None:
        return None
    return Process(pid, int(fields[1]), int(fields[3]), int(fields[19]), fields[0])


def _identity_of(process: Process) -> Identity | None:
    who = identity.identify(process.pid)
    return who if who is not None and who.start_ticks == process.start_ticks else None


_KILLS = re.compile(r"^oom_kill (\d+)", re.MULTILINE)


def find_counter() -> Path | None:
    """Return the file with this process's ``oom_kill`` count (cgroup v2, then v1), or None."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        _, controllers, path = line.split(":", 2)
        for candidate in _candidates(controllers, path.lstrip("/")):
            if count_kills(candidate) is not None:
                return candidate
    return None


def count_kills(counter: Path | None) -> int | None:
    """Return the count, or None where the kernel does not tell."""
    if counter is None:
        return None
    try:
        found = _KILLS.search(counter.read_text())
    except OSError:
        return None
    return int(found[1]) if found else None


def _candidates(controllers: str, path: str) -> list[Path]:
    """A container sees its own cgroup at the mount's root, whatever the path says."""
    if controllers == "":
        root, name = Path("/sys/fs/cgroup"), "memory.events"
    elif "memory" in controllers.split(","):
        root, name = Path("/sys/fs/cgroup/memory"), "memory.oom_control"
    else:
        return []
    return [root / path / name, root / name]
