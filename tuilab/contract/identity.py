"""Who a process is: boot id, pid and start time; a pid alone names nobody."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MARKER_VARIABLE = "TUILAB_WORKER"
"""Environment variable that names the worker directory; strays are found by it."""
SHIM_MODULE = "tuilab.engine.shim"
"""What a shim is started as: ``python -m`` this."""
_MARK = MARKER_VARIABLE.encode() + b"="


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, told apart from any later process that gets the same pid."""

    host: str
    boot_id: str
    pid: int
    start_ticks: int
    """Field 22 of /proc/PID/stat: start time in clock ticks since boot."""

    def as_json(self) -> dict[str, Any]:
        """Return the mapping that ``parsing.typed`` reads."""
        return asdict(self)


def identify(pid: int) -> Identity | None:
    """Return the identity of a live process on this host, or None if there is no such process."""
    stat = read_stat(pid)
    if stat is None or stat[0] in "ZX":
        return None
    return Identity(socket.gethostname(), boot_id(), pid, stat[1])


def me() -> Identity:
    """Return the identity of this process."""
    found = identify(os.getpid())
    if found is None:
        raise RuntimeError("/proc does not show this process: tuilab needs Linux's /proc")
    return found


def is_alive(identity: Identity) -> bool | None:
    """True or False on the identity's own host; None (unknown) for another host.

    A zombie is dead, a reused pid is somebody else, another boot id means the machine restarted.
    """
    if identity.host != socket.gethostname():
        return None
    if identity.boot_id != boot_id():
        return False
    stat = read_stat(identity.pid)
    return stat is not None and stat[0] not in "ZX" and stat[1] == identity.start_ticks


def bears_marker(pid: int, worker: str) -> bool:
    """Whether a process was started with the marker of this worker (the name of its folder)."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return any(
        os.path.basename(entry[len(_MARK) :]) == worker.encode()  # noqa: PTH119  # bytes, hot
        for entry in raw.split(b"\0")
        if entry.startswith(_MARK)
    )


def find_shim(worker_dir: Path) -> Identity | None:
    """Return the live shim of a worker whose lease cannot be read, by its marker and command."""
    for name in os.listdir("/proc"):  # noqa: PTH208  # names only
        if not name.isdigit() or not bears_marker(int(name), worker_dir.name):
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


def read_stat(pid: int) -> tuple[str, int] | None:
    """Return (state letter, start ticks) of a pid, or None if it is gone."""
    try:
        raw = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = raw[raw.rfind(")") + 2 :].split()
    return fields[0], int(fields[19])
