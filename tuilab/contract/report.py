"""What a runner says: events while it works, and one outcome, the last file written."""

from __future__ import annotations

import hashlib
import json
import math
import os
import resource
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tuilab.contract import atomic
from tuilab.contract.files import EVENTS_FILE as EVENTS_FILE
from tuilab.contract.files import LOG_FILE as LOG_FILE
from tuilab.contract.files import OUTCOME_FILE as OUTCOME_FILE
from tuilab.contract.foreign import redact
from tuilab.contract.parsing import open_plain, read
from tuilab.contract.reasons import Reason
from tuilab.contract.spec import Spec
from tuilab.contract.worker import wait_for_sign

SCHEMA = 1
DONE = "done"
FAILED = "failed"
_LARGE = 1 << 20
"""Bytes from which on the digest of a file is kept."""
_TICK_NS = 10**8
"""A file that was changed a moment ago could be changed again within the same time stamp."""
_DIGESTS: dict[tuple[int, ...], str] = {}


class JobError(Exception):
    """A failure with a named reason; the stage function raises it, ``run_stage`` publishes it."""

    def __init__(
        self, reason: Reason, detail: str, metrics: Mapping[str, float] | None = None
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.metrics = metrics or {}
        """Numbers that belong to the failure, such as how long a hub asks to wait."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """One file a runner leaves behind."""

    path: str
    """Relative to the attempt directory, with forward slashes."""
    size: int
    """Bytes."""
    sha256: str
    """Lower-case hex."""


@dataclass(frozen=True, slots=True)
class Event:
    """What every event has, and what a reader makes use of; a kind may carry more."""

    kind: str
    seq: int = 0
    at: float = 0.0
    """Unix time, for people."""
    t: float = 0.0
    """Monotonic seconds since the start, for durations."""
    step: float | None = None
    of: float | None = None
    part: str = ""
    """What the steps are of; ``bytes`` of a download."""
    rate: float | None = None
    """Steps per second."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict of one attempt; its file is written last and means that the rest is complete."""

    job: str
    attempt: int
    token: str
    status: str
    """``done`` or ``failed``."""
    reason: str | None = None
    """One of ``Reason`` when failed."""
    detail: str = ""
    """The evidence line."""
    seconds: float = 0.0
    """Wall time of the attempt, from a monotonic clock."""
    started_at: float = 0.0
    """Unix time."""
    finished_at: float = 0.0
    artefacts: tuple[Artefact, ...] = ()
    output_hash: str = ""
    """sha256 over the sorted (path, sha256) of the artefacts; equal results hash equally."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, Any] = field(default_factory=dict)
    """What the runner validated, by name, with the measured value."""
    timings: Mapping[str, float] = field(default_factory=dict)
    """Seconds by part (load, train, sample, save, ...); ``overhead`` is the rest."""
    peak_memory: Mapping[str, int] = field(default_factory=dict)
    """Bytes: ``host``, and ``device`` on a GPU."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Python and library versions as imported, device names, argv, threads."""
    schema: int = SCHEMA


def digest(path: Path) -> str:
    """Return the sha256 of a file's bytes as lower-case hex.

    A large file is read once by a process for as long as its inode says that it is unchanged: every
    stage of a cell checks the same adapters of 320 MB.
    """
    with open_plain(path) as file:
        found = os.fstat(file.fileno())
        changed = max(found.st_mtime_ns, found.st_ctime_ns)
        key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if key in _DIGESTS:
            return _DIGESTS[key]
        hashed = hashlib.file_digest(file, "sha256").hexdigest()
    if found.st_size >= _LARGE and time.time_ns() - changed > _TICK_NS:
        _DIGESTS[key] = hashed
    return hashed


def describe(attempt_dir: Path, paths: Iterable[Path]) -> tuple[Artefact, ...]:
    """Measure the given files; sorted by relative path."""
    found = (
        Artefact(str(path.relative_to(attempt_dir).as_posix()), path.stat().st_size, digest(path))
        for path in paths
    )
    return tuple(sorted(found, key=lambda artefact: artefact.path))


def hash_output(artefacts: Iterable[Artefact]) -> str:
    """Hash what was made, not when: sha256 over sorted ``path sha256`` lines."""
    lines = sorted(f"{artefact.path} {artefact.sha256}\n" for artefact in artefacts)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class Reporter:
    """Writes events.jsonl while an attempt runs and outcome.json at its end.

    Events carry ``seq`` (order), ``at`` (unix time, for people), ``t`` (monotonic seconds since the
    start, for durations) and ``kind``: started, progress, metric, memory, note, finished.
    """

    def __init__(self, attempt_dir: Path, spec: Spec) -> None:
        self.attempt_dir = attempt_dir
        self.spec = spec
        self._sequence = 0
        self._start = time.monotonic()
        self._started_at = time.time()
        self._last_progress, self._last_event = 0.0, self._start
        self._events = (attempt_dir / EVENTS_FILE).open("a", encoding="utf-8")
        self.event("started", pid=os.getpid(), stage=spec.stage)

    def __enter__(self) -> Reporter:
        return self

    def __exit__(self, *_: object) -> None:
        self._events.close()

    def event(self, kind: str, **fields: Any) -> None:
        """Append one event; a non-finite number becomes null, because JSON has none."""
        now = time.monotonic()
        wait_for_sign(now - self._last_event)
        self._last_event = now
        self._sequence += 1
        line = {"seq": self._sequence, "at": time.time(), "t": self.elapsed(), "kind": kind}
        line.update({name: _finite(value) for name, value in fields.items()})
        self._events.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._events.flush()

    def progress(self, step: int, of: int, part: str = "", rate: float | None = None) -> None:
        """Say how far the attempt is (at most ten lines a second; the last step always)."""
        now = time.monotonic()
        if step < of and now - self._last_progress < 0.1:
            return
        self._last_progress = now
        self.event("progress", step=step, of=of, part=part, rate=rate)

    def metric(self, step: int, **values: float) -> None:
        """Report training numbers of one step, such as ``loss`` and ``grad_norm``."""
        self.event("metric", step=step, **values)

    def note(self, text: str) -> None:
        """Say one sentence worth keeping beside the numbers."""
        self.event("note", text=redact(text))

    def elapsed(self) -> float:
        """Seconds since the attempt began."""
        return round(time.monotonic() - self._start, 4)

    def finish(
        self,
        status: str,
        *,
        reason: Reason | None = None,
        detail: str = "",
        artefacts: Iterable[Artefact] = (),
        **parts: Mapping[str, Any],
    ) -> Outcome:
        """Publish the outcome atomically: its presence means that the rest is complete.

        ``parts`` are the mapping fields of Outcome (metrics, checks, timings, environment,
        peak_memory). Raises JobError if another attempt token has taken the directory.
        """
        self._refuse_a_foreign_token()
        made = tuple(artefacts)
        parts.setdefault("peak_memory", {"host": peak_host_bytes()})
        outcome = Outcome(
            job=self.spec.job,
            attempt=self.spec.attempt,
            token=self.spec.token,
            status=status,
            reason=str(reason) if reason else None,
            detail=redact(detail),
            seconds=self.elapsed(),
            started_at=self._started_at,
            finished_at=time.time(),
            artefacts=made,
            output_hash=hash_output(made) if status == DONE else "",
            **parts,  # type: ignore[arg-type]  # names are checked by the dataclass itself
        )
        self.event("finished", status=status, reason=outcome.reason, detail=outcome.detail)
        atomic.write_json(self.attempt_dir / OUTCOME_FILE, asdict(outcome))
        return outcome

    def _refuse_a_foreign_token(self) -> None:
        from tuilab.contract.spec import SPEC_FILE, read_spec

        on_disk = read_spec(self.attempt_dir / SPEC_FILE).token
        if on_disk != self.spec.token:
            raise JobError(Reason.KILLED, "another attempt owns this directory; nothing published")


def peak_host_bytes() -> int:
    """Peak resident memory of this process in bytes (Linux reports KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def read_outcome(attempt_dir: Path) -> Outcome | None:
    """Return the outcome of an attempt, or None when there is none yet; ValueError when broken."""
    try:
        return read(attempt_dir / OUTCOME_FILE, Outcome)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{OUTCOME_FILE}: {error}") from error


def readable_outcome(attempt_dir: Path) -> Outcome | None:
    """Return the outcome; None when there is none or it cannot be read."""
    try:
        return read_outcome(attempt_dir)
    except (OSError, ValueError):
        return None


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
