"""Where things are in an experiment directory; only here do keys become path names."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

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
    return f"{stem}.{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one experiment directory."""

    root: Path

    @property
    def config(self) -> Path:
        """The config as given."""
        return self.root / "experiment.toml"

    @property
    def id(self) -> Path:
        """Which experiment this is, and where it lies: what tells a copy from the original."""
        return self.root / "experiment.json"

    @property
    def plan(self) -> Path:
        """Every job, resolved."""
        return self.root / "plan.json"

    @property
    def journal(self) -> Path:
        """Append-only record of launches, outcomes, requests and operator actions."""
        return self.root / "journal.jsonl"

    @property
    def folded(self) -> Path:
        """What the journal comes to up to an offset; a journal that begins otherwise is read."""
        return self.root / "folded.bin"

    @property
    def engine(self) -> Path:
        """The engine's lease and heartbeat."""
        return self.root / "engine.json"

    @property
    def engine_trouble(self) -> Path:
        """What keeps the engine from writing; of a fixed size, written in place."""
        return self.root / "engine.trouble"

    @property
    def lock(self) -> Path:
        """Created exclusively by the engine that may write here; names its process."""
        return self.root / "engine.lock"

    @property
    def engine_log(self) -> Path:
        """What the engine process printed."""
        return self.root / "engine.log"

    @property
    def deviations(self) -> Path:
        """Edits kept per cell."""
        return self.root / "deviations.json"

    @property
    def requests(self) -> Path:
        """One file per wish."""
        return self.root / "requests"

    @property
    def jobs(self) -> Path:
        """Attempts of all jobs."""
        return self.root / "jobs"

    @property
    def workers(self) -> Path:
        """One directory per worker."""
        return self.root / "workers"

    @property
    def quarantine(self) -> Path:
        """What could not be read, kept for inspection."""
        return self.root / "quarantine"

    @property
    def tracker(self) -> Path:
        """Copies for an experiment tracker, and their states; only a copy, may be deleted."""
        return self.root / "tracker"

    @property
    def code(self) -> Path:
        """Snapshot of the runner code."""
        return self.root / "code"

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
