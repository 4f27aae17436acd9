"""Decides what may still start within the limit of a run; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tuilab.engine.decide.actions import Action, Pause
from tuilab.engine.decide.facts import Facts
from tuilab.engine.decide.phase import IN_USE
from tuilab.grid.limits import LIMIT, Limit, left_words


def within_limit(facts: Facts, jobs: Sequence[str]) -> Sequence[str]:
    """Return the jobs that would end in time and within the GPU hours that are left."""
    room = _room(facts)
    return jobs if room is None else [job for job in jobs if facts.seconds.get(job, 0.0) <= room]


def _room(facts: Facts) -> float | None:
    """Return the seconds that a job may take; None without a limit."""
    lefts = (facts.seconds_left, facts.gpu_seconds_left)
    return min((left for left in lefts if left is not None), default=None)


def why_drained(facts: Facts) -> str:
    """Say that nothing that is ready would end within the limit; "" while something would."""
    room = _room(facts)
    if not facts.ledger.limit or not facts.ready or room is None:
        return ""
    if any(facts.seconds.get(job, 0.0) <= room for job in facts.ready):
        return ""
    due = [job for job in facts.plan.places if facts.ledger.of(job).is_due]
    left = left_words(len(due), sum(facts.seconds.get(job, 0.0) for job in due))
    return f"{_said(facts, facts.ledger.limit)}: nothing more would end in time; {left}"


def what_is_left(facts: Facts) -> str:
    """Say how long the run may go on; "" without a limit."""
    hours = facts.gpu_seconds_left
    left = Limit(facts.ledger.limit.until, None if hours is None else max(0.0, hours))
    said = _said(facts, left)
    return f"{said} left" if hours is not None else said


def _said(facts: Facts, limit: Limit) -> str:
    now = (limit.until or 0.0) - (facts.seconds_left or 0.0)
    return limit.said(now)


def drain(facts: Facts) -> Iterator[Action]:
    """Pause once the last job that could end in time has ended."""
    if facts.ledger.pause or facts.attempts:
        return
    if any(worker.queue for worker in facts.workers if worker.phase in IN_USE):
        return
    if why := why_drained(facts):
        yield Pause(why, by=LIMIT)
