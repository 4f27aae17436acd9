"""Finds runner processes whose shim is gone, by the marker in their environment; ends none."""

from __future__ import annotations

from pathlib import Path

from tuilab.contract.identity import MARKER_VARIABLE, is_alive, read_stat
from tuilab.contract.worker import read_lease


def find_strays(processes: Path = Path("/proc")) -> list[str]:
    """Return a sentence for each living process that a dead worker left behind."""
    found = []
    for folder in processes.glob("[0-9]*"):
        pid = int(folder.name)
        worker = _worker_of(folder)
        stat = read_stat(pid)
        if worker is None or stat is None or stat[0] in "ZX":
            continue
        shim = read_lease(Path(worker))
        if shim is None or shim.pid == pid or is_alive(shim) is not False:
            continue
        found.append(f"pid {pid} belongs to the dead worker {worker}: end it with `kill {pid}`")
    return found


def _worker_of(folder: Path) -> str | None:
    """Return the worker directory that a process was started for; None where it names none."""
    try:
        raw = (folder / "environ").read_bytes()
    except OSError:
        return None
    prefix = f"{MARKER_VARIABLE}=".encode()
    for entry in raw.split(b"\0"):
        if entry.startswith(prefix):
            return entry.removeprefix(prefix).decode(errors="replace")
    return None
