"""Looks at attempts under way: how far they are, and whether anybody still works on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from tuilab.contract.identity import Identity, is_alive
from tuilab.contract.report import EVENTS_FILE, OUTCOME_FILE
from tuilab.contract.tail import JsonlFollower
from tuilab.contract.worker import EXIT_FILE, read_lease
from tuilab.grid.jobs import Plan
from tuilab.grid.states import Attempt, Verdict
from tuilab.store.layout import Layout
from tuilab.store.settlement import ending, settlement

FOREIGN_SILENCE = 600.0
"""Seconds without an event after which an attempt on another host counts as lost."""


class Sign(StrEnum):
    """What a reader makes of an attempt that the journal calls live."""

    WORKING = "working"
    ENDED = "ended"
    """An outcome lies there and no engine lives to settle it."""
    LOST = "lost"


def read_sign(
    has_outcome: bool, worker_alive: bool | None, engine_alive: bool, silent_seconds: float
) -> Sign:
    """Decide from what is known; a living engine is about to say it better, so it is left alone.

    ``worker_alive`` is None when its host is another one.
    """
    if engine_alive:
        return Sign.WORKING
    if has_outcome:
        return Sign.ENDED
    if worker_alive is None:
        return Sign.LOST if silent_seconds > FOREIGN_SILENCE else Sign.WORKING
    return Sign.WORKING if worker_alive else Sign.LOST


@dataclass(slots=True)
class _Watched:
    number: int
    worker: str
    events: JsonlFollower
    percent: float | None = None
    last_at: float = 0.0
    begun_at: float | None = None
    """Unix time of its first event: the runner has begun it, whatever the journal says yet."""
    shim: Identity | None = None
    verdict: Attempt | None = None
    """What the files say, once the engine is gone; read once."""
    sign: Sign = Sign.WORKING


@dataclass(slots=True)
class LiveWatch:
    """Follows the live attempts of one experiment by byte offset."""

    layout: Layout
    plan: Plan
    _watched: dict[str, _Watched] = field(default_factory=dict)

    def follow(self, job: str, attempt: Attempt | None) -> None:
        """Begin, go on or (None) cease to watch a job's live attempt."""
        known = self._watched.get(job)
        if attempt is None or job not in self.plan.by_id:
            self._watched.pop(job, None)
        elif known is None or (known.number, known.worker) != (attempt.number, attempt.worker):
            path = self.layout.attempt_dir(job, attempt.number) / EVENTS_FILE
            self._watched[job] = _Watched(attempt.number, attempt.worker, JsonlFollower(path))

    @property
    def jobs(self) -> Iterable[str]:
        """Jobs that are watched."""
        return self._watched.keys()

    def percent(self, job: str) -> float | None:
        """How far the live attempt is, 0..100; None when it has not said."""
        known = self._watched.get(job)
        return known.percent if known is not None else None

    def override(self, job: str, attempt: Attempt) -> Attempt:
        """Return the attempt as a reader must show it now."""
        known = self._watched.get(job)
        if known is None or known.number != attempt.number:
            return attempt
        if known.verdict is not None and known.sign is not Sign.WORKING:
            return known.verdict
        if attempt.verdict is Verdict.CLAIMED and known.begun_at is not None:
            return replace(attempt, verdict=Verdict.RUNNING, started_at=known.begun_at)
        return attempt

    def look(self, now: float, engine_alive: bool, last: Callable[[str], Attempt]) -> set[str]:
        """Read what is new of every watched attempt; return the jobs whose picture changed."""
        return {
            job
            for job, known in self._watched.items()
            if self._look(job, known, now, engine_alive, last(job))
        }

    def _look(
        self, job: str, known: _Watched, now: float, engine_alive: bool, attempt: Attempt
    ) -> bool:
        before = (known.percent, known.sign, known.verdict, known.begun_at)
        _read_events(known)
        directory = self.layout.attempt_dir(job, known.number)
        has_outcome = not engine_alive and (directory / OUTCOME_FILE).exists()
        alive = True if engine_alive else self._is_worker_alive(known)
        known.sign = read_sign(has_outcome, alive, engine_alive, now - known.last_at)
        if known.sign is Sign.WORKING:
            known.verdict = None
        elif known.verdict is None or before[1] is not known.sign:
            known.verdict = self._verdict(job, known, attempt)
        return before != (known.percent, known.sign, known.verdict, known.begun_at)

    def _is_worker_alive(self, known: _Watched) -> bool | None:
        directory = self.layout.worker_dir(known.worker)
        if known.shim is None:
            known.shim = read_lease(directory)
        if known.shim is None or (directory / EXIT_FILE).exists():
            return False
        return is_alive(known.shim)

    def _verdict(self, job: str, known: _Watched, attempt: Attempt) -> Attempt:
        """Settle from the files, as the engine would; a death without an outcome shows as lost."""
        planned = self.plan.by_id[job]
        found: dict[str, Any] | None = None
        if known.sign is Sign.ENDED:
            found = settlement(self.layout, self.plan, planned, known.number, hash_files=False)
        if found is None:
            found = ending(self.layout, planned, known.number)
            if found["verdict"] == Verdict.FAILED:
                found["verdict"] = Verdict.LOST
        kept = {name: value for name, value in found.items() if value is not None}
        return replace(attempt, **{**kept, "verdict": Verdict(found["verdict"])})


def _read_events(known: _Watched) -> None:
    for event in known.events.read():
        at, step, of = event.get("at"), event.get("step"), event.get("of")
        if isinstance(at, int | float):
            known.last_at = float(at)
            known.begun_at = known.begun_at or known.last_at
        if event.get("kind") != "progress":
            continue
        if isinstance(step, int | float) and isinstance(of, int | float) and of > 0:
            known.percent = round(min(100.0, max(0.0, 100.0 * step / of)), 1)
