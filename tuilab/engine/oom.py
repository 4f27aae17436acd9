"""Reads how often the kernel killed for lack of memory in this process's cgroup."""

from __future__ import annotations

import re
from pathlib import Path

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
