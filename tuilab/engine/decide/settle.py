"""Decides what became of each live attempt; the outcome file outranks the process table; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tuilab.contract.reasons import Reason, from_exit
from tuilab.engine.decide.actions import (
    Action,
    CallStalled,
    ComeBack,
    Deliver,
    RecordStart,
    Settle,
    StopWorker,
)
from tuilab.engine.decide.facts import Exit, Facts, LiveAttempt, Phase, Report, Worker
from tuilab.engine.decide.oom_advice import what_to_lower
from tuilab.engine.decide.retry import was_never_begun, why_hold, why_retry
from tuilab.grid.states import Verdict
from tuilab.grid.text import duration

FULL_BYTES = 1024 * 1024
"""Below so much free space a worker's unexplained end is put down to the full disk."""
EVIDENCE = 240
"""Characters of a message that are kept where advice follows it."""
FOREIGN_SECONDS = 600.0
"""Silence after which an attempt on another host counts as lost."""


def settle_attempts(facts: Facts) -> Iterator[Action]:
    """Yield what the live attempts ask for."""
    for attempt in facts.missing:
        if attempt.report is not None:
            yield _settle(facts, attempt, attempt.report)
        elif attempt.has_spoken:
            yield ComeBack(attempt.job, attempt.number, attempt.begun_at)
    for attempt in facts.attempts:
        worker = facts.worker(attempt.worker)
        report = what_became(attempt, worker, facts)
        if report is not None:
            yield _settle(facts, attempt, report, was_ahead=_was_ahead(facts, attempt, worker))
            continue
        if attempt.begun_at is not None and not attempt.is_recorded:
            yield RecordStart(attempt.job, attempt.number, attempt.begun_at)
        if worker is not None and worker.phase is Phase.ALIVE:
            yield from _tend(facts, attempt, worker)


def what_became(attempt: LiveAttempt, worker: Worker | None, facts: Facts) -> Report | None:
    """Return how an attempt ended, or None while it may still go on."""
    stop = worker.stop if worker is not None else None
    is_meant = stop is not None and attempt.job in stop.jobs
    if attempt.report is not None:
        if is_meant and attempt.report.verdict is Verdict.FAILED:
            return _ended_on_request(attempt, worker)
        return attempt.report
    if worker is None:
        return _unserved(attempt, "its worker's directory is gone")
    if worker.phase is Phase.FOREIGN:
        return _missing(attempt, facts)
    if worker.phase is not Phase.GONE or worker.exit is None:
        return None
    if is_meant:
        return _ended_on_request(attempt, worker)
    if attempt.begun_at is not None:
        return _ended_without_outcome(attempt, worker.exit, facts)
    if not worker.has_served and worker.queue[:1] == (attempt.job,) and _fell(worker):
        return _never_came_up(worker, worker.exit)
    return _unserved(attempt, f"worker {worker.id} ended first")


def _missing(attempt: LiveAttempt, facts: Facts) -> Report | None:
    """Give an attempt on another host up after long silence of all that its worker was given."""
    mine = [a.silent_seconds for a in facts.attempts if a.worker == attempt.worker]
    if min(mine, default=attempt.silent_seconds) <= FOREIGN_SECONDS:
        return None
    detail = "no sign of the host that ran it; it counts as running again once it writes"
    return Report(Verdict.LOST, Reason.UNKNOWN, detail, started_at=attempt.begun_at)


def _ended_on_request(attempt: LiveAttempt, worker: Worker | None) -> Report:
    stop = worker.stop if worker is not None else None
    known = attempt.report or Report(Verdict.STOPPED, started_at=attempt.begun_at)
    if stop is not None and stop.is_stall:
        detail = f"no event for the time allowed; last line: {_last(attempt.log)}"
        return replace(known, verdict=Verdict.FAILED, reason=Reason.STALLED, detail=detail)
    by = stop.by if stop is not None else ""
    detail = f"stopped by {by or 'an operator'}"
    return replace(known, verdict=Verdict.STOPPED, reason=None, detail=detail, by=by)


def _ended_without_outcome(attempt: LiveAttempt, end: Exit, facts: Facts) -> Report:
    started = attempt.begun_at
    if end.exit_code is None:
        return Report(Verdict.LOST, Reason.KILLED, end.why, started_at=started)
    reason, detail = from_exit(end.exit_code, list(attempt.log), end.oom_kills)
    full = _why_full(end, facts)
    if full and reason in (Reason.UNKNOWN, Reason.CODE):
        reason, detail = Reason.DISK_FULL, full
    if end.exit_code == 0 and reason is Reason.UNKNOWN:
        detail = "the worker left in good order, but without an outcome for this attempt"
        return Report(Verdict.LOST, Reason.KILLED, detail, started_at=started)
    if reason is Reason.UNKNOWN:
        detail = f"exit code {end.exit_code} without an outcome; last line: {detail}"
    return Report(Verdict.FAILED, reason, detail, started_at=started)


def _why_full(end: Exit, facts: Facts) -> str:
    """Say that the disk was full when a worker ended without a word; "" when it was not."""
    if end.disk_free is not None and end.disk_free < FULL_BYTES:
        return f"the disk was full when it ended ({end.disk_free} bytes free)"
    return facts.disk.problem or facts.disk.lately


def _never_came_up(worker: Worker, end: Exit) -> Report:
    reason, line = from_exit(end.exit_code, list(worker.log), end.oom_kills)
    detail = f"the worker ended before it began (exit {end.exit_code}): {line}"
    return Report(Verdict.FAILED, reason, detail)


def _unserved(attempt: LiveAttempt, why: str) -> Report:
    if attempt.begun_at is not None:
        return Report(Verdict.LOST, Reason.KILLED, why, started_at=attempt.begun_at)
    return Report(Verdict.LOST, None, f"never begun: {why}")


def _fell(worker: Worker) -> bool:
    """Whether a worker ended badly by itself."""
    end = worker.exit
    return end is not None and end.exit_code not in (None, 0) and worker.stop is None


def _was_ahead(facts: Facts, attempt: LiveAttempt, worker: Worker | None) -> bool:
    """Whether the attempt only lay in the inbox of a worker that was on another job."""
    on = "" if worker is None else facts.present_job(worker)
    return attempt.begun_at is None and on not in ("", attempt.job)


def _settle(facts: Facts, attempt: LiveAttempt, report: Report, was_ahead: bool = False) -> Settle:
    """``was_ahead``: what ended its worker was another job's doing, and counts for that one."""
    report = _with_advice(facts, attempt.job, report)
    evidence = facts.ledger.of(attempt.job)
    past = tuple(
        replace(a, verdict=report.verdict, reason=report.reason, detail=report.detail)
        if a.number == attempt.number
        else a
        for a in evidence.attempts
    )
    if was_ahead and was_never_begun(past[-1]):
        retry = "" if evidence.is_due else "it had not begun"
        return Settle(attempt.job, attempt.number, report, retry=retry)
    hold = why_hold(past)
    retry = "" if hold or evidence.is_due else why_retry(past, facts.policy.retries)
    return Settle(attempt.job, attempt.number, report, retry=retry, hold=hold)


def _with_advice(facts: Facts, name: str, report: Report) -> Report:
    """Add which setting to lower to a report of too little GPU memory."""
    job = facts.plan.by_id.get(name)
    if report.reason != Reason.GPU_OOM or job is None:
        return report
    settings = facts.plan.settings.get(job.settings, {})
    advice = what_to_lower(job.stage, settings, report.detail)
    evidence = report.detail if len(report.detail) <= EVIDENCE else report.detail[:EVIDENCE] + "…"
    return replace(report, detail=f"{evidence}; {advice}")


def _tend(facts: Facts, attempt: LiveAttempt, worker: Worker) -> Iterator[Action]:
    """What a living worker's attempt needs: delivery, or a word about its silence."""
    if not attempt.is_assigned and worker.takes_work:
        yield Deliver(attempt.job, attempt.number, worker.id)
    is_at_work = attempt.begun_at is not None and not worker.is_suspended and worker.stop is None
    limit = facts.policy.stall_minutes * 60
    if not is_at_work or attempt.silent_seconds <= limit:
        return
    if not attempt.is_called_stalled:
        text = (
            f"{attempt.job} is stalled: no event for {duration(attempt.silent_seconds)}; "
            f"last line: {_last(attempt.log)}"
        )
        yield CallStalled(attempt.job, attempt.number, text)
    if facts.policy.stop_stalled:
        yield StopWorker(worker.id, (attempt.job,), "the stall watchdog", is_stall=True)


def _last(log: tuple[str, ...]) -> str:
    return next((line.strip() for line in reversed(log) if line.strip()), "(the log is empty)")
