"""Where things are in an experiment directory; only here do keys become path names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tuilab.grid.fingerprint import digest_of_text
from tuilab.grid.jobs import parse_job_id

_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def slug(key: str) -> str:
    """Return a path name for a key: itself when plain, otherwise a plain stem and a hash.

    Whatever the key (``../x``, ``org/model``, unicode, 300 characters), the result is one path
    component below its parent, and different keys give different slugs.
    """
    if _PLAIN.fullmatch(key):
        return key
    stem = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")[:40] or "key"
    return f"{stem}.{digest_of_text(key)[:10]}"


class _Below:
    """A path below the root of an experiment."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, layout: Layout, owner: type[Layout]) -> Path:
        return layout.root / self._name


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one experiment directory."""

    root: Path

    config = _Below("experiment.toml")
    """The config as given."""
    id = _Below("experiment.json")
    """Which experiment this is, and where it lies: what tells a copy from the original."""
    plan = _Below("plan.json")
    """Every job, resolved."""
    journal = _Below("journal.jsonl")
    """Append-only record of launches, outcomes, requests and operator actions."""
    folded = _Below("folded.bin")
    """What the journal comes to up to an offset; a journal that begins otherwise is read."""
    engine = _Below("engine.json")
    """The engine's heartbeat, and its view of itself."""
    engine_trouble = _Below("engine.trouble")
    """What keeps the engine from writing; of a fixed size, written in place."""
    lock = _Below("engine.lock")
    """Created exclusively by the engine that may write here; names its process."""
    engine_log = _Below("engine.log")
    """What the engine process printed."""
    deviations = _Below("deviations.json")
    """Edits kept per cell."""
    requests = _Below("requests")
    """One file per wish."""
    jobs = _Below("jobs")
    """Attempts of all jobs."""
    workers = _Below("workers")
    """One directory per worker."""
    quarantine = _Below("quarantine")
    """What could not be read, kept for inspection."""
    tracker = _Below("tracker")
    """Copies for an experiment tracker, and their states; only a copy, may be deleted."""
    code = _Below("code")
    """Snapshot of the runner code."""

    def job_dir(self, job: str) -> Path:
        """Directory of a job's attempts."""
        stage, source, epoch, seed = parse_job_id(job)
        path = self.jobs / stage.value / slug(source)
        if seed is not None:
            path /= f"seed-{seed}"
        if epoch is not None:
            path /= f"epoch-{epoch}"
        return path

    def worker_dir(self, worker: str) -> Path:
        """Directory of one worker: lease, inbox, log, exit record."""
        return self.workers / slug(worker)

    def attempt_dir(self, job: str, number: int) -> Path:
        """Directory of one attempt."""
        return self.job_dir(job) / f"attempt-{number}"
