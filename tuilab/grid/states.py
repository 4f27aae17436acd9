"""Decides what state a job and a cell are in; total functions of evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from tuilab.grid.jobs import Job
from tuilab.grid.stages import Stage


class State(StrEnum):
    """The words for state; the same from disk to screen."""

    IDLE = "idle"
    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    SUSPECT = "suspect"
    FAILED = "failed"
    LOST = "lost"
    STOPPED = "stopped"
    STALE = "stale"


class Verdict(StrEnum):
    """What became of one attempt, as far as evidence tells."""

    CLAIMED = "claimed"
    """The directory exists and a worker is to serve it; the runner has not spoken yet."""
    RUNNING = "running"
    DONE = "done"
    SUSPECT = "suspect"
    FAILED = "failed"
    LOST = "lost"
    STOPPED = "stopped"


LIVE: frozenset[Verdict] = frozenset({Verdict.CLAIMED, Verdict.RUNNING})
USABLE: frozenset[State] = frozenset({State.DONE})
"""States of a parent whose children may start."""
WITH_RESULT: frozenset[State] = frozenset({State.DONE, State.STALE})
"""States in which a job has a result; a stale one is shown and kept, and counts in no number."""
BROKEN: frozenset[State] = frozenset({State.FAILED, State.LOST, State.SUSPECT})
"""States that ``relaunch --failed`` and ``R`` relaunch."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as the journal and the disk tell it."""

    number: int
    token: str
    fingerprint: str
    """Fingerprint of the job when the attempt was launched."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Output hash of each parent that it read, by job id."""
    worker: str = ""
    verdict: Verdict = Verdict.CLAIMED
    reason: str | None = None
    detail: str = ""
    seconds: float = 0.0
    started_at: float | None = None
    """Unix time at which the runner spoke first."""
    finished_at: float | None = None
    output_hash: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """The few numbers that screens show (see ``grid/metrics.py``), not the whole outcome."""
    by: str = ""
    """Who ended it, when an operator did."""
    percent: float | None = None
    """How far a live one is, 0..100, as far as it has said."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one job."""

    attempts: tuple[Attempt, ...] = ()
    wanted: int = 0
    """The attempt number somebody asked for; a launch is due while it exceeds the last number."""
    held: str = ""
    """Why nothing may start it ("" = free): held by a person, or the breaker."""
    restarted: int = 0
    """Attempt that somebody asked to start from scratch last; nothing goes on from before it."""

    @property
    def last(self) -> Attempt | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def last_done(self) -> Attempt | None:
        """The newest attempt whose artefacts satisfy their contract; what children read."""
        return next((a for a in reversed(self.attempts) if a.verdict is Verdict.DONE), None)

    @property
    def is_due(self) -> bool:
        """Whether a new attempt is asked for and not yet made."""
        return self.wanted > (self.attempts[-1].number if self.attempts else 0)


@dataclass(frozen=True, slots=True)
class JobStatus:
    """State of one job with what a person wants to know next."""

    job: str
    stage: Stage
    state: State
    reason: str | None = None
    detail: str = ""
    attempt: int = 0
    """Number of the attempt that the state speaks of; 0 when there is none."""
    seconds: float = 0.0
    percent: float | None = None
    """0..100 while running and reported."""
    started_at: float | None = None
    blocked_by: str = ""
    """The broken or stopped job that it waits for in the end; "" while all ahead of it goes on."""
    held: str = ""
    """Why nothing may start it although it is asked for: a person, or the breaker."""
    given_to: str = ""
    """Worker that has a new attempt of it in its inbox and has not begun it ("" = none): queued."""

    @property
    def is_live(self) -> bool:
        """Whether an attempt is running or given to a worker: no other may be made beside it."""
        return self.state is State.RUNNING or bool(self.given_to)


def derive_state(
    job: Job, evidence: Evidence, parents: Mapping[str, JobStatus], outputs: Mapping[str, str]
) -> JobStatus:
    """Decide a job's state.

    ``parents`` holds the status of each of ``job.parents``; ``outputs`` the output hash of each
    parent's newest done attempt ("" when it has none). A live attempt outranks everything (one that
    its worker has not begun is queued there), then a wish for a new attempt, then the last
    verdict, then staleness.
    """
    last = evidence.last
    if last is not None and last.verdict is Verdict.RUNNING:
        return replace(_status(job, State.RUNNING, last), percent=last.percent)
    if last is not None and last.verdict is Verdict.CLAIMED:
        worker = last.worker or "?"
        return JobStatus(job.id, job.stage, State.QUEUED, attempt=last.number, given_to=worker)
    if evidence.is_due:
        return _pending(job, evidence, parents)
    if last is None:
        return JobStatus(job.id, job.stage, State.IDLE)
    if last.verdict is Verdict.DONE:
        if why := why_stale(job, last, outputs):
            return _status(job, State.STALE, last, detail=why)
        return _status(job, State.DONE, last)
    return _status(job, State(last.verdict.value), last)


def why_stale(job: Job, attempt: Attempt, outputs: Mapping[str, str]) -> str:
    """Name the input that has changed since the attempt; "" when nothing has."""
    if attempt.fingerprint != job.fingerprint:
        return "the config or the runner code it depends on has changed since"
    for parent, used in attempt.inputs.items():
        now = outputs.get(parent, "")
        if now and used and now != used:
            return f"{parent} has a newer result"
    return ""


def _pending(job: Job, evidence: Evidence, parents: Mapping[str, JobStatus]) -> JobStatus:
    number = evidence.last.number if evidence.last else 0
    ahead = [parent for parent in parents.values() if parent.state not in USABLE]
    if not ahead:
        held = evidence.held
        return JobStatus(job.id, job.stage, State.QUEUED, detail=held, attempt=number, held=held)
    parent = next((one for one in ahead if _blocker(one)), ahead[0])
    return JobStatus(
        job.id,
        job.stage,
        State.WAITING,
        reason="upstream" if _blocker(parent) else None,
        detail=f"waits for {parent.job} ({parent.state.value})",
        attempt=number,
        blocked_by=_blocker(parent),
        held=evidence.held,
    )


def _blocker(parent: JobStatus) -> str:
    """Name the job that keeps a parent from ever being done by itself, "" when none does."""
    if parent.state in BROKEN or parent.state is State.STOPPED:
        return parent.job
    return parent.blocked_by if parent.state is State.WAITING else ""


def _status(job: Job, state: State, attempt: Attempt, detail: str | None = None) -> JobStatus:
    return JobStatus(
        job.id,
        job.stage,
        state,
        reason=attempt.reason,
        detail=attempt.detail if detail is None else detail,
        attempt=attempt.number,
        seconds=attempt.seconds,
        started_at=attempt.started_at,
    )


_CELL_RANK: dict[State, int] = {
    state: rank
    for rank, state in enumerate(
        (
            State.RUNNING,
            State.FAILED,
            State.SUSPECT,
            State.LOST,
            State.STOPPED,
            State.QUEUED,
            State.WAITING,
            State.IDLE,
            State.STALE,
            State.DONE,
        )
    )
}


def derive_cell(jobs: Sequence[JobStatus]) -> JobStatus:
    """Return the status that speaks for a cell: that of its most telling own job.

    ``jobs`` are the cell's own stages in order. Done only when all are; otherwise the first of the
    highest ranking state (running, failed, suspect, lost, stopped, queued, waiting, idle, stale).
    A cell with some done and some idle jobs is idle at the first idle stage.
    """
    return min(jobs, key=lambda status: _CELL_RANK[status.state])
