"""Says from the journal which claims were locked when, and every deviation since; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tuilab.grid.fingerprint import digest_of_text
from tuilab.grid.history import events_of
from tuilab.grid.jobs import Plan
from tuilab.grid.stages import MEASURE_STAGES, Stage
from tuilab.grid.states import Verdict

LOCKED = "locked"
"""Kind of the journal's line."""
MEASURING = frozenset(stage.value for stage in (Stage.EVAL, Stage.COSINE, *MEASURE_STAGES))
_CHANGES = frozenset({"deviation", "accepted", "grown"})
_LEFT_OUT = frozenset({"unwanted", "held"})


@dataclass(frozen=True, slots=True)
class Lock:
    """One locking of a claims file."""

    at: float
    """Unix time."""
    by: str
    name: str
    """Of the file."""
    text: str
    """All of the file: what is locked is what stands here."""
    sha256: str
    plan: str
    """Digest of the plan (``plan_digest``)."""
    code: str
    """Digest of the analysis code."""
    seen: float | None = None
    """When the first measurement had begun before it; None for a lock before all results."""


@dataclass(frozen=True, slots=True)
class DatedDeviation:
    """Something that was done otherwise after the first lock."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class LockRecord:
    """What the journal says of locks; false where nothing was ever locked."""

    locks: tuple[Lock, ...] = ()
    """Oldest first."""
    deviations: tuple[DatedDeviation, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.locks)


def lock_record(lines: Iterable[Mapping[str, Any]]) -> LockRecord:
    """Read the journal's lines, oldest first; a damaged one says nothing."""
    locks: list[Lock] = []
    since: list[Mapping[str, Any]] = []
    seen: float | None = None
    done: set[str] = set()
    for line in lines:
        kind = line.get("kind")
        if kind == LOCKED and (lock := _lock(line, seen)) is not None:
            locks.append(lock)
        elif locks and _is_deviation(line, done):
            since.append(line)
        if kind in ("started", "settled") and _stage(line) in MEASURING:
            seen = _time(line) if seen is None else seen
            locks = [_after(lock, line.get("started_at")) for lock in locks]
        if kind == "settled" and line.get("verdict") == Verdict.DONE.value:
            done.add(str(line.get("job")))
    told = (DatedDeviation(event.at, event.text) for event in events_of(since))
    return LockRecord(tuple(locks), tuple(told))


def plan_digest(plan: Plan) -> str:
    """Hash what is planned: every job with all that decides its result."""
    return digest_of_text("".join(f"{job.id} {job.fingerprint}\n" for job in plan.jobs))


def _is_deviation(line: Mapping[str, Any], done: set[str]) -> bool:
    """An edit, a growth, an accepted result, what is left out, or a result that is made again."""
    kind = line.get("kind")
    if kind == "grown":
        return any(line.get(part) for part in ("added", "gone", "new", "stale", "cause"))
    if kind in _LEFT_OUT:
        return line.get("by") not in ("", None, "engine")
    if kind == "wanted":
        jobs = line.get("jobs")
        is_again = isinstance(jobs, Mapping) and not done.isdisjoint(jobs)
        return line.get("verb") == "relaunch" and is_again
    return kind in _CHANGES


def _lock(line: Mapping[str, Any], seen: float | None) -> Lock | None:
    words = [line.get(part) for part in ("text", "sha256", "plan", "code")]
    if not all(isinstance(word, str) for word in words) or digest_of_text(words[0]) != words[1]:  # type: ignore[arg-type]
        return None
    text, sha256, plan, code = map(str, words)
    who, name = str(line.get("by") or ""), str(line.get("title") or "")
    return Lock(_time(line), who, name, text, sha256, plan, code, seen)


def _after(lock: Lock, began: Any) -> Lock:
    """A lock before which a measurement had begun: elsewhere, and its result came here later."""
    if not isinstance(began, int | float) or not 0 < began < lock.at:
        return lock
    return replace(lock, seen=min(began, lock.seen or began))


def _stage(line: Mapping[str, Any]) -> str:
    return str(line.get("job", "")).partition("/")[0]


def _time(line: Mapping[str, Any]) -> float:
    at = line.get("at")
    return float(at) if isinstance(at, int | float) else 0.0
