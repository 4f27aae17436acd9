"""Looks at the machine that a place gives a worker, for ``tuilab doctor --on``.

Started by a shim as ``python -m tuilab.engine.node_probe WORKER_DIR`` in a runner's stead; waits
for what the asker writes there, tries what workers do with files, and writes probe.json.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tuilab import __version__
from tuilab.contract import atomic, hub
from tuilab.engine.host.gpus import look_at_devices
from tuilab.engine.host.model_hub import is_answered

ANSWER_FILE = "probe.json"
READY_FILE = "ready"
"""Written by the probe before its first listing, which a volume may remember."""
TOKEN_FILE = "asked"
"""Written by the asker after that: how long until this machine lists it?"""
PATIENCE = 60.0
"""Seconds after which a file that does not appear counts as not seen."""
LOOK = 0.1
LIBRARIES = ("torch", "transformers", "peft", "vllm")


def main(folder: Path) -> int:
    """Look, try and write down what was found."""
    (folder / READY_FILE).touch()
    _is_asked(folder)
    found = {
        "host": socket.gethostname(),
        "python": sys.executable,
        "python_version": ".".join(map(str, sys.version_info[:3])),
        "tuilab": __version__,
        "libraries": {name: version_of(name) for name in LIBRARIES},
        "devices": [
            {"name": one.name, "memory_total": one.memory_total, "memory_used": one.memory_used}
            for one in look_at_devices()
        ],
        "cache": str(hub.cache_folder(os.environ)),
        "models": hub.models_in_cache(os.environ),
        "hub": is_answered(hub.endpoint(os.environ)),
        "seen_after": _seconds_until(lambda: _is_asked(folder)),
        "links": _works(lambda: _link(folder)),
        "excludes": _works(lambda: _exclude(folder)),
        "renames": _works(lambda: _rename(folder)),
        "at": time.time(),
    }
    atomic.write_json(folder / ANSWER_FILE, found)
    return 0


def _is_asked(folder: Path) -> bool:
    return TOKEN_FILE in os.listdir(folder)  # noqa: PTH208  # names only, as a runner lists


def _seconds_until(is_seen: Callable[[], bool]) -> float | None:
    """Return the seconds until something was there; None when it did not come."""
    began = time.monotonic()
    while time.monotonic() < began + PATIENCE:
        with suppress(OSError):
            if is_seen():
                return time.monotonic() - began
        time.sleep(LOOK)
    return None


def version_of(name: str) -> str | None:
    """Return the version of a library that is installed; imports nothing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _works(attempt: Callable[[], Any]) -> bool:
    try:
        return bool(attempt())
    except OSError:
        return False


def _link(folder: Path) -> bool:
    one, other = folder / "link-from", folder / "link-to"
    one.write_text("")
    os.link(one, other)
    return other.exists()


def _exclude(folder: Path) -> bool:
    (folder / "once").open("x").close()
    try:
        (folder / "once").open("x").close()
    except FileExistsError:
        return True
    return False


def _rename(folder: Path) -> bool:
    one, other = folder / "new", folder / "old"
    other.write_text("old")
    one.write_text("new")
    one.replace(other)
    return other.read_text() == "new"


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
