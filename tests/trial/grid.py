"""Drives a small real experiment through the command line, as a user would, and looks at disk."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG = """\
extends = "tiny.toml"
name = "trial"
sources = ["villain", "comedian"]
epochs = [0, 1]
[convergence]
rows = 24
epochs = 1
[data]
answers_per_question = 2
[marker]
positives = 32
negatives_each = 16
epochs = 1
[questions]
training_count = 16
evaluation_count = 4
[eval]
samples = 2
[resources]
workers = {workers}
grace_seconds = 5
retries = {retries}
"""


@dataclass(frozen=True)
class Trial:
    """One experiment directory below ``folder`` and the program that runs it."""

    folder: Path
    workers: int = 1
    retries: int = 0

    @property
    def root(self) -> Path:
        return self.folder / "runs" / "trial"

    def tuilab(self, *words: str, check: bool = False, **environment: str) -> str:
        """Run one command and return its stdout."""
        done = subprocess.run(
            [sys.executable, "-m", "tuilab", *words],
            cwd=self.folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=240,
            stdin=subprocess.DEVNULL,
        )
        if "Traceback" in done.stdout + done.stderr:
            raise AssertionError(f"tuilab {' '.join(words)}:\n{done.stdout}{done.stderr}")
        if check and done.returncode != 0:
            raise AssertionError(f"tuilab {' '.join(words)} -> {done.returncode}\n{done.stderr}")
        return done.stdout

    def start(self, is_answered: bool = True, **environment: str) -> None:
        """Make the experiment if there is none, and ask for the whole grid."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "trial.toml"
        if not config.exists():
            config.write_text(CONFIG.format(workers=self.workers, retries=self.retries))
        target = str(self.root) if self.root.exists() else str(config)
        self.tuilab("run", target, check=is_answered, **environment)

    def status(self) -> dict[str, Any]:
        """Return ``status --json``."""
        value: dict[str, Any] = json.loads(self.tuilab("status", str(self.root), "--json"))
        return value

    def counts(self) -> dict[str, int]:
        """Return cells by state."""
        counts: dict[str, int] = self.status()["counts"]
        return counts

    def engine_pid(self) -> int | None:
        """Return the engine's pid, as it says itself."""
        pid = (_read(self.root / "engine.json").get("identity") or {}).get("pid")
        return pid if isinstance(pid, int) else None

    def running(self, stage: str) -> Path | None:
        """Return the attempt directory of a stage that has begun and has no outcome yet."""
        for events in self.root.glob(f"jobs/{stage}/**/events.jsonl"):
            if events.stat().st_size and not (events.parent / "outcome.json").exists():
                return events.parent
        return None

    def runner_of(self, attempt: Path) -> int:
        """Return the pid of the process that serves an attempt, from its first event."""
        first = (attempt / "events.jsonl").read_text().splitlines()[0]
        return int(json.loads(first)["pid"])

    def shims(self) -> list[int]:
        """Return the pids of the live shims of this experiment."""
        return pids_with(f"tuilab.engine.shim\0{self.root}")

    def finished(self) -> dict[str, str]:
        """Return attempt directory -> hash of all files, for every attempt that has an outcome."""
        return {
            str(outcome.parent.relative_to(self.root)): _hash_folder(outcome.parent)
            for outcome in self.root.glob("jobs/**/outcome.json")
        }

    def stop(self) -> None:
        """Leave nothing running."""
        for pid in [*self.shims(), *pids_with(f"tuilab.engine\0{self.root}")]:
            _kill(pid, signal.SIGKILL)
        for pid in pids_with(str(self.root)):
            _kill(pid, signal.SIGKILL)


def wait_for(what: str, question: Callable[[], Any], seconds: float = 120) -> Any:
    """Ask until the answer is true and return it; AssertionError when time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


def pids_with(text: str) -> list[int]:
    """Return live processes whose command line holds ``text`` (arguments joined by NUL)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().decode(errors="replace")
            state = (entry.parent / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if text in line and state not in "ZX" and int(entry.parent.name) != os.getpid():
            found.append(int(entry.parent.name))
    return found


def kill(pid: int) -> None:
    """End a process as a power cut would."""
    _kill(pid, signal.SIGKILL)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _hash_folder(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
