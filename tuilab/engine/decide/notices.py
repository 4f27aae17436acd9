"""Decides what people are to be told of, once each: the journal knows what they were told; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tuilab.engine.decide.assign import why_nothing_starts
from tuilab.engine.decide.facts import Facts
from tuilab.engine.decide.workers import is_idle
from tuilab.grid.endings import ending_words
from tuilab.grid.limits import LIMIT


@dataclass(frozen=True, slots=True)
class News:
    """Something that people are to hear of."""

    kind: str
    """done, failed, stalled, paused or gone."""
    text: str = ""
    """"" for the end of a run, which is told by what became of its cells."""
    about: str = ""
    """What it is the news of, where that is not its kind alone."""


def news(facts: Facts) -> Iterator[News]:
    """Yield what has happened since people were last told of its kind."""
    ledger, told = facts.ledger, facts.ledger.notified.get
    if ledger.died > told("gone", 0):
        yield News("gone", "the engine had died; another one carries on")
    at, job = ledger.first_failure
    if at > told("failed", 0):
        yield News("failed", f"{job} {ending_words(ledger.of(job).attempts[-1])}")
    for attempt in facts.attempts:
        about = f"stalled {attempt.job} {attempt.number}"
        if attempt.is_called_stalled and about not in ledger.notified:
            yield News("stalled", f"{attempt.job} has been silent for long", about)
    # Who paused does know it: of the engine's own pauses a person is told.
    has_paused_itself = ledger.pause and ledger.pause_by in ("engine", LIMIT)
    if has_paused_itself and ledger.paused > told("paused", 0):
        yield News("paused", ledger.pause_why)
    if (why := _too_little_disk(facts)) and max(ledger.asked, ledger.claimed) > told("paused", 0):
        yield News("paused", why)
    if ledger.go and not ledger.pause and is_idle(facts) and ledger.claimed > told("done", 0):
        yield News("done")


def _too_little_disk(facts: Facts) -> str:
    if not facts.ready or facts.ledger.pause:
        return ""
    why = why_nothing_starts(facts)
    return why if why.startswith("disk") else ""
