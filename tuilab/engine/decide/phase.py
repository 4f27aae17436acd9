"""Decides how far a worker is: from its files, the word of its place and our own clock; pure.

A place where workers run has an *opinion* of each; whether one lives is decided from what it
writes first. Schedulers call a job failed while its processes go on writing, and start one twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tuilab.contract.reasons import SILENT_SECONDS, Exit
from tuilab.contract.worker import Lease

RETIRED = "it never came up"
SETTLED_SECONDS = 10.0
"""A place that was asked less than this after a submission may not know of it yet."""

START_SECONDS = 600.0
"""A worker that runs, as its place says, and has not taken its lease for so long, never will."""


class Phase(StrEnum):
    """How far a worker is."""

    PENDING = "pending"
    """It waits for its turn at its place: its slot is taken, and nothing is given to it."""
    STARTING = "starting"
    """Its place has started it; its shim has not spoken yet."""
    UNBORN = "unborn"
    """It has no lease and nobody is starting it: an engine died at that moment, or it was lost."""
    ALIVE = "alive"
    SILENT = "silent"
    """Nothing comes from it, which may be the connection: nothing is done to it or without it."""
    ORPHANED = "orphaned"
    """Its shim is gone without a record, but processes of its tree are left."""
    GONE = "gone"
    FOREIGN = "foreign"
    """Elsewhere, and nobody can be asked whether it lives."""


IN_USE = frozenset(Phase) - {Phase.GONE, Phase.FOREIGN}
"""Phases in which a worker takes its slot."""


class Word(StrEnum):
    """What a place says of a worker."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    UNKNOWN = "unknown"
    """It answers, and knows no such worker."""
    UNREACHABLE = "unreachable"
    """Nobody can be asked."""
    SEEN = "seen"
    """More than an opinion, as the next two: the process table of this machine shows its shim."""
    ORPHANED = "orphaned"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Opinion:
    """A place's word on one worker."""

    word: Word
    why: str = ""
    """Why it waits, how it ended, or why nobody can be asked."""
    host: str = ""
    asked_at: float = float("inf")
    """Monotonic time of the question; a place that looks for itself has no delay."""
    seconds_left: float | None = None
    """Until its wall time is over, at ``asked_at``; None where it has no end."""
    wall_seconds: float | None = None
    """All of its wall time, known before it runs; None where it has no end."""
    is_suspended: bool = False
    is_refused: bool = False
    """Its submission was not taken: it ended without having begun."""


NOBODY = Opinion(Word.UNREACHABLE, asked_at=0.0)
"""Of a worker that its place was not asked about."""


@dataclass(frozen=True, slots=True)
class Signs:
    """All that is known of a worker at one moment."""

    opinion: Opinion
    exit: Exit | None = None
    """What its shim recorded, or nobody."""
    lease: Lease | None = None
    has_beaten: bool = False
    """Its shim has said at least once that it lives."""
    has_moved: bool = False
    """It was seen to say so anew: what lay there at the first look may be of a dead one."""
    silent: float = 0.0
    """Seconds by our own clock since its beat was seen to change, or its lease to appear."""
    waited: float = float("inf")
    """Seconds from its submission to the question that the opinion answers."""
    running: float = 0.0
    """Seconds since its place said first that it runs."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the signs come to."""

    phase: Phase
    exit: Exit | None = None
    """Only when gone."""
    is_suspended: bool = False


def phase_of(signs: Signs, fence: float) -> Sighting:
    """Decide; a worker that could not write for ``fence`` seconds has ended itself.

    So a second attempt may begin where a worker was silent for twice that and its place has no
    hope for it, never before, and never on a place's word alone.
    """
    if signs.exit is not None:
        return Sighting(Phase.GONE, signs.exit)
    if signs.lease is None:
        return Sighting(_without_lease(signs))
    if signs.lease.shim is None:
        return Sighting(Phase.GONE, Exit(why=signs.lease.why or RETIRED))
    opinion = signs.opinion
    if opinion.word is Word.SEEN:
        return Sighting(Phase.ALIVE, is_suspended=opinion.is_suspended)
    if opinion.word is Word.ORPHANED:
        return Sighting(Phase.ORPHANED)
    if opinion.word is Word.DEAD:
        return Sighting(Phase.GONE, Exit(why=opinion.why))
    return _elsewhere(signs, fence)


def _without_lease(signs: Signs) -> Phase:
    if signs.opinion.word is Word.RUNNING:
        return Phase.STARTING if signs.running <= START_SECONDS else Phase.UNBORN
    has_no_hope = signs.opinion.word in (Word.ENDED, Word.UNKNOWN)
    return Phase.UNBORN if has_no_hope and signs.waited > SETTLED_SECONDS else Phase.PENDING


def _elsewhere(signs: Signs, fence: float) -> Sighting:
    """Of a worker with a lease whose processes cannot be seen from here."""
    opinion, is_fresh = signs.opinion, signs.silent <= fence
    is_known = signs.has_moved or opinion.word is not Word.UNREACHABLE
    if signs.has_beaten and is_fresh and is_known:
        return Sighting(Phase.ALIVE, is_suspended=opinion.is_suspended)
    if opinion.word is Word.UNREACHABLE:
        is_lost = not signs.has_moved or signs.silent > SILENT_SECONDS
        return Sighting(Phase.FOREIGN if is_lost else Phase.SILENT)
    if is_fresh:
        return Sighting(Phase.STARTING)
    if opinion.word in (Word.ENDED, Word.UNKNOWN) and signs.silent > 2 * fence:
        why = opinion.why or "its scheduler no longer knows it"
        return Sighting(Phase.GONE, Exit(why=f"{why}, and no sign of it for {2 * fence:.0f} s"))
    return Sighting(Phase.SILENT)
