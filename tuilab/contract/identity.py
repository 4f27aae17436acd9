"""Who a process is: boot id, pid and start time; a pid alone names nobody."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

MARKER_VARIABLE = "TUILAB_WORKER"
"""Environment variable that names the worker directory; strays are found by it."""
EXPERIMENT_VARIABLE = "TUILAB_EXPERIMENT"
"""Beside it, the id of the experiment: a copy of the folder has workers of the same names."""
SHIM_MODULE = "tuilab.engine.shim"
"""What a shim is started as: ``python -m`` this."""


@dataclass(frozen=True, slots=True)
class ExperimentRef:
    """The experiment that a lock, a lease, a claim or a process belongs to."""

    id: str
    """Made at its birth; a copy of the folder has the same until it is given its own."""
    path: str
    """Where its folder lay when this was written."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What the processes of a worker carry in their environment."""

    worker: str
    """Path of the worker's folder when it was started."""
    experiment: str = ""
    """Id of its experiment; version 0.1 gave none."""

    def as_environment(self) -> dict[str, str]:
        """Return the variables that ``mark_of`` reads."""
        return {MARKER_VARIABLE: self.worker, EXPERIMENT_VARIABLE: self.experiment}


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, told apart from any later process that gets the same pid."""

    host: str
    boot_id: str
    pid: int
    start_ticks: int
    """Field 22 of /proc/PID/stat: start time in clock ticks since boot."""
    pid_space: str = ""
    """The pid namespace that ``pid`` counts in ("" = not told): two containers of one machine may
    have the same name, and see each other's processes as little as two machines do."""

    def as_json(self) -> dict[str, Any]:
        """Return the mapping that ``parsing.typed`` reads."""
        return asdict(self)


def host() -> str:
    """Return this machine's name, as ``socket.gethostname`` does; each worker would import that."""
    return os.uname().nodename


def identify(pid: int) -> Identity | None:
    """Return the identity of a live process on this host, or None if there is no such process."""
    stat = read_stat(pid)
    if stat is None or stat[0] in "ZX":
        return None
    return Identity(host(), boot_id(), pid, stat[1], pid_space())


def me() -> Identity:
    """Return the identity of this process."""
    found = identify(os.getpid())
    if found is None:
        raise RuntimeError("/proc does not show this process: tuilab needs Linux's /proc")
    return found


def is_alive(identity: Identity) -> bool | None:
    """True or False on the identity's own machine; None (unknown) for another.

    A zombie is dead, a reused pid is somebody else, another boot id of the same host means that it
    was restarted. The same host under the same boot with another pid space is a second container,
    or this one before a restart: unknown.
    """
    is_same_host = identity.host == host()
    if identity.boot_id != boot_id():
        return False if is_same_host else None
    if identity.pid_space and identity.boot_id:
        if identity.pid_space != pid_space():
            return None
    elif not is_same_host:
        return None
    stat = read_stat(identity.pid)
    return stat is not None and stat[0] not in "ZX" and stat[1] == identity.start_ticks


def mark_of(pid: int) -> Mark | None:
    """Return the mark that a process was started with; None without one, or if it is hidden."""
    try:
        raw = read_of(pid, "environ")
    except OSError:
        return None
    if MARKER_VARIABLE.encode() not in raw:
        return None
    entries = dict(one.partition(b"=")[::2] for one in raw.split(b"\0"))
    worker, experiment = (
        entries.get(name.encode(), b"") for name in (MARKER_VARIABLE, EXPERIMENT_VARIABLE)
    )
    return Mark(os.fsdecode(worker), os.fsdecode(experiment)) if worker else None


def bears_marker(pid: int, worker_dir: Path, experiment: str) -> bool:
    """Whether a process is marked as one of this worker, of the experiment with this id."""
    found = mark_of(pid)
    if found is None or os.path.basename(found.worker) != worker_dir.name:  # noqa: PTH119  # hot
        return False
    return found.experiment in ("", experiment) and not works_elsewhere(pid, worker_dir)


def works_elsewhere(pid: int, worker_dir: Path) -> bool:
    """Whether a process works in a worker's folder of this name at another place.

    It is then the worker that this folder is a copy of: a shim and its runner begin in their
    folder, and a move takes them along. False as well where it cannot be seen.
    """
    at = f"/proc/{pid}/cwd"
    try:
        place = os.readlink(at).removesuffix(" (deleted)")  # noqa: PTH115  # hot
        is_other = place != os.path.realpath(worker_dir)
        # The folder of a volume that was mounted anew has another path and the same inode.
        return (
            is_other
            and os.path.basename(place) == worker_dir.name  # noqa: PTH119
            and os.stat(at).st_ino != worker_dir.stat().st_ino  # noqa: PTH116
        )
    except OSError:
        return False


def find_shim(worker_dir: Path, experiment: str) -> Identity | None:
    """Return the live shim of a worker whose lease cannot be read, by its marker and command."""
    for name in os.listdir("/proc"):  # noqa: PTH208  # names only
        if not name.isdigit() or not bears_marker(int(name), worker_dir, experiment):
            continue
        with suppress(OSError):
            words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
            if SHIM_MODULE.encode() in words:
                return identify(int(name))
    return None


def boot_id() -> str:
    """Return the kernel's boot id ("" where the container hides it)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@cache
def pid_space() -> str:
    """Return what names this process's pid namespace ("" where it is hidden)."""
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115  # no file: a name
    except OSError:
        return ""


def read_stat(pid: int) -> tuple[str, int] | None:
    """Return (state letter, start ticks) of a pid, or None if it is gone."""
    fields = stat_fields(pid)
    return None if fields is None else (fields[0], int(fields[19]))


def stat_fields(pid: int) -> list[str] | None:
    """Return what /proc tells of a pid after its name: state first; None if it is gone."""
    try:
        raw = read_of(pid, "stat")
    except OSError:
        return None
    return raw[raw.rfind(b")") + 2 :].decode().split()


def read_of(pid: int, name: str) -> bytes:
    """Return a file of /proc about a process; every process of a machine is read often."""
    with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:  # noqa: PTH123  # half the time
        return file.read()
