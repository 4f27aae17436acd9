"""The files of a worker directory: who it is, what it is to serve, and how its tree ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuilab.contract import atomic
from tuilab.contract.identity import Identity, from_json
from tuilab.contract.parsing import loads
from tuilab.contract.reasons import Exit

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
HOLD_FILE = "hold"
"""Beside the inbox: the worker begins nothing more while it is there; what it is on goes on."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One attempt to serve; the file's number gives the order."""

    number: int
    attempt_dir: Path
    """Absolute path; its spec.json says what to do."""


def assign(worker_dir: Path, number: int, attempt_dir: Path) -> None:
    """Put one attempt into the worker's inbox, in order of ``number``."""
    inbox = worker_dir / INBOX
    inbox.mkdir(parents=True, exist_ok=True)
    atomic.write_json(inbox / f"{number:06d}.json", {"attempt_dir": str(attempt_dir)})


def assignments(worker_dir: Path, after: int = 0) -> list[Assignment]:
    """Return the assignments with a number above ``after``, in order; broken files are skipped."""
    found = []
    for path in sorted((worker_dir / INBOX).glob("[0-9]*.json")):
        if not path.stem.isdecimal() or int(path.stem) <= after:
            continue
        raw = read_json(path) or {}
        if isinstance(raw.get("attempt_dir"), str):
            found.append(Assignment(int(path.stem), Path(raw["attempt_dir"])))
    return found


def hold_back(worker_dir: Path, on: bool) -> None:
    """Keep a worker from beginning its next assignment, or let it begin again."""
    if on:
        (worker_dir / HOLD_FILE).touch()
    else:
        (worker_dir / HOLD_FILE).unlink(missing_ok=True)


def is_held_back(worker_dir: Path) -> bool:
    """Whether nothing of the inbox may be begun now; one stat."""
    return (worker_dir / HOLD_FILE).exists()


def read_lease(worker_dir: Path) -> Identity | None:
    """Return the identity of the worker's shim, or None while there is none."""
    raw = read_json(worker_dir / LEASE_FILE)
    return from_json(raw.get("shim")) if raw else None


def read_exit(worker_dir: Path) -> Exit | None:
    """Return how the worker's tree ended, or None while nobody has recorded it."""
    raw = read_json(worker_dir / EXIT_FILE)
    if raw is None:
        return None
    code, kills, free = raw.get("exit_code"), raw.get("oom_kills"), raw.get("disk_free")
    return Exit(
        exit_code=code if isinstance(code, int) else None,
        oom_kills=kills if isinstance(kills, int) else 0,
        disk_free=free if isinstance(free, int) else None,
        why="" if isinstance(code, int) else "its exit record is unreadable",
    )


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a JSON object, or None if the file is missing, unreadable or not an object."""
    try:
        value = loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
