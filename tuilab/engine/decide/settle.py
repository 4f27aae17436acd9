"""Decides what became of each live attempt; the outcome file outranks the process table; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tuilab.contract.reasons import (
    SILENT,
    SILENT_SECONDS,
    Death,
    Exit,
    Reason,
    last_line,
    never_begun,
    preempted,
    stalled,
    without_outcome,
)
from tuilab.contract.worker import Stop
from tuilab.engine.decide.actions import (
    Action,
    Assign,
    CallStalled,
    RecordStart,
    Settle,
    StopWorker,
)
from tuilab.engine.decide.facts import Facts, LiveAttempt, Worker
from tuilab.engine.decide.oom_advice import what_to_lower
from tuilab.engine.decide.phase import Phase
from tuilab.engine.decide.retry import was_never_begun, why_hold, why_retry
from tuilab.grid.endings import Ending
from tuilab.grid.states import Verdict
from tuilab.grid.text import duration

EVIDENCE = 240
"""Characters of a message that are kept where advice follows it."""


def settle_attempts(facts: Facts) -> Iterator[Action]:
    """Yield what the live attempts ask for."""
    for attempt in facts.missing:
        if attempt.ending is not None:
            yield _settle(facts, attempt, attempt.ending)
        elif attempt.has_spoken:
            yield RecordStart(attempt.job, attempt.number, attempt.begun_at, was_lost=True)
    for attempt in facts.attempts:
        worker = facts.worker(attempt.worker)
        ending = what_became(attempt, worker, facts)
        if ending is not None:
            yield _settle(facts, attempt, ending, was_ahead=_was_ahead(facts, attempt, worker))
            continue
        if attempt.begun_at is not None and not attempt.is_recorded:
            yield RecordStart(attempt.job, attempt.number, attempt.begun_at)
        if worker is not None and worker.phase is Phase.ALIVE:
            yield from _tend(facts, attempt, worker)


def what_became(attempt: LiveAttempt, worker: Worker | None, facts: Facts) -> Ending | None:
    """Return how an attempt ended, or None while it may still go on."""
    is_preempted = worker is not None and worker.stop is not None and worker.stop.is_preempted
    if attempt.ending is not None:
        if is_preempted and attempt.ending.reason == Reason.KILLED:
            return _dead(attempt, preempted(attempt.has_saved))
        return attempt.ending
    if worker is not None and worker.phase is Phase.FOREIGN:
        mine = [a.silent_seconds for a in facts.attempts if a.worker == attempt.worker]
        is_silent = min(mine, default=attempt.silent_seconds) > SILENT_SECONDS
        return _dead(attempt, SILENT) if is_silent else None
    if worker is None:
        if attempt.begun_at is None:
            return _dead(attempt, never_begun(None, (), is_first=False))
        gone = Exit(why="its worker's directory is gone")
        return _dead(attempt, without_outcome(gone, ()))
    if worker.phase is not Phase.GONE or worker.exit is None:
        return None
    stop = worker.stop
    if stop is not None and attempt.job in stop.jobs:
        return _ended_on_request(attempt, stop)
    if attempt.stopped_by is not None:
        return _ended_on_request(attempt, Stop(attempt.stopped_by, jobs=(attempt.job,)))
    if attempt.begun_at is not None and is_preempted:
        return _dead(attempt, preempted(attempt.has_saved))
    if attempt.begun_at is not None:
        full = facts.disk.problem or facts.disk.lately
        return _dead(attempt, without_outcome(worker.exit, attempt.log, full))
    is_first = worker.queue[:1] == (attempt.job,) and not worker.has_served and stop is None
    return _dead(attempt, never_begun(worker.exit, worker.log, is_first))


def _dead(attempt: LiveAttempt, death: Death) -> Ending:
    verdict = Verdict.LOST if death.is_lost else Verdict.FAILED
    return Ending(verdict, death.reason, death.detail, started_at=attempt.begun_at)


def _ended_on_request(attempt: LiveAttempt, stop: Stop) -> Ending:
    if stop.is_stall:
        return _dead(attempt, stalled(attempt.log))
    detail = f"stopped by {stop.by or 'an operator'}"
    return Ending(Verdict.STOPPED, detail=detail, started_at=attempt.begun_at, by=stop.by)


def _was_ahead(facts: Facts, attempt: LiveAttempt, worker: Worker | None) -> bool:
    """Whether the attempt only lay in the inbox of a worker that was on another job."""
    on = "" if worker is None else facts.present_job(worker)
    return attempt.begun_at is None and on not in ("", attempt.job)


def _settle(facts: Facts, attempt: LiveAttempt, ending: Ending, was_ahead: bool = False) -> Settle:
    """``was_ahead``: what ended its worker was another job's doing, and counts for that one."""
    ending = _with_advice(facts, attempt.job, ending)
    evidence = facts.ledger.of(attempt.job)
    past = tuple(
        replace(a, verdict=ending.verdict, reason=ending.reason, detail=ending.detail)
        if a.number == attempt.number
        else a
        for a in evidence.attempts
    )
    if was_ahead and was_never_begun(past[-1]):
        retry = "" if evidence.is_due else "it had not started"
        return Settle(attempt.job, attempt.number, ending, retry=retry)
    hold = why_hold(past)
    retry = "" if hold or evidence.is_due else why_retry(past, facts.policy.retries)
    return Settle(attempt.job, attempt.number, ending, retry=retry, hold=hold)


def _with_advice(facts: Facts, name: str, ending: Ending) -> Ending:
    """Add which setting to lower to a report of too little GPU memory."""
    job = facts.plan.by_id.get(name)
    if ending.reason != Reason.GPU_OOM or job is None:
        return ending
    settings = facts.plan.settings.get(job.settings, {})
    advice = what_to_lower(job.stage, settings, ending.detail)
    evidence = ending.detail if len(ending.detail) <= EVIDENCE else ending.detail[:EVIDENCE] + "…"
    return replace(ending, detail=f"{evidence}; {advice}")


def _tend(facts: Facts, attempt: LiveAttempt, worker: Worker) -> Iterator[Action]:
    """What a living worker's attempt needs: delivery, or a word about its silence."""
    if not attempt.is_assigned and worker.takes_work:
        yield Assign(attempt.job, worker.id, claimed=attempt.number)
    is_at_work = attempt.begun_at is not None and not worker.is_suspended and worker.stop is None
    limit = facts.policy.stall_minutes * 60
    if not is_at_work or attempt.silent_seconds <= limit:
        return
    if not attempt.is_called_stalled:
        text = (
            f"{attempt.job} is stalled: no event for {duration(attempt.silent_seconds)}; "
            f"last line: {last_line(attempt.log)}"
        )
        yield CallStalled(attempt.job, attempt.number, text)
    if facts.policy.stop_stalled:
        yield StopWorker(worker.id, (attempt.job,), "the stall watchdog", is_stall=True)
