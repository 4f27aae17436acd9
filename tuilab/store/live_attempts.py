"""Looks at attempts under way: how far they are, and whether anybody still works on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from tuilab.contract.identity import Identity, find_shim, is_alive
from tuilab.contract.reasons import SILENT_SECONDS
from tuilab.contract.report import EVENTS_FILE, OUTCOME_FILE, Event
from tuilab.contract.tail import JsonlFollower
from tuilab.contract.worker import EXIT_FILE, listed, read_lease
from tuilab.grid.endings import settled
from tuilab.grid.jobs import Plan
from tuilab.grid.states import Attempt, Verdict
from tuilab.grid.transfer import Transfer, transfer_from
from tuilab.store.attempts import read_claim
from tuilab.store.experiment_id import read_id
from tuilab.store.file_stamp import stamp_of
from tuilab.store.layout import Layout
from tuilab.store.settlement import SILENT_ELSEWHERE, ending, settlement


@dataclass(slots=True)
class AttemptFiles:
    """What the files of one attempt have said so far; its events are followed by offset."""

    folder: Path
    claimed_at: float = 0.0
    """Unix time at which it was given to its worker."""
    begun_at: float | None = None
    """Unix time of its first event: the runner has begun it, whatever the journal says yet."""
    last_at: float = 0.0
    """Unix time of its last event."""
    percent: float | None = None
    """How far it is, 0..100; None when it has not said."""
    transfer: Transfer | None = None
    """The same in bytes, where it fetches."""
    _events: JsonlFollower = field(init=False)

    def __post_init__(self) -> None:
        claim = read_claim(self.folder)
        self.claimed_at = claim.at if claim is not None else 0.0
        self._events = JsonlFollower(self.folder / EVENTS_FILE, kind=Event)

    @property
    def last_sign_at(self) -> float:
        """Unix time at which it was last heard of: its last event, or that it was claimed."""
        return max(self.claimed_at, self.last_at)

    @property
    def has_outcome(self) -> bool:
        """Whether the file is there that means that the rest is complete."""
        return OUTCOME_FILE in listed(self.folder)

    def read(self) -> bool:
        """Take in new events; True when there were some."""
        has_spoken = False
        if not self._events.offset and EVENTS_FILE not in listed(self.folder):
            return False
        for event in self._events.stream():
            has_spoken = True
            at, step, of = event.get("at"), event.get("step"), event.get("of")
            if at:
                self.last_at = at
                self.begun_at = self.begun_at or at
            if event["kind"] == "progress" and step is not None and of is not None and of > 0:
                self.percent = round(min(100.0, max(0.0, 100.0 * step / of)), 1)
                self.transfer = transfer_from(event)
        if self._events.broken and self.begun_at is None:
            self.begun_at = stamp_of(self._events.path)[0] / 1e9
        return has_spoken


def is_worker_alive(worker_dir: Path, experiment: str, shim: Identity | None = None) -> bool | None:
    """Whether a worker lives, None when it is on another host; ``shim`` saves reading its lease.

    False as well for one that never came up, and for one of another experiment than that with
    this id: the folder was copied.
    """
    if (worker_dir / EXIT_FILE).exists():
        return False
    shim = shim or who_holds(worker_dir, experiment)
    return shim is not None and is_alive(shim)


def who_holds(worker_dir: Path, experiment: str) -> Identity | None:
    """Return the shim that holds a worker's directory; by its marker where the lease is damaged."""
    try:
        lease = read_lease(worker_dir, experiment)
    except (OSError, ValueError):
        return find_shim(worker_dir, experiment)
    return lease.shim if lease is not None else None


class Sign(StrEnum):
    """What a reader makes of an attempt that the journal calls live."""

    WORKING = "working"
    ENDED = "ended"
    """It has an outcome, and no engine lives to settle it."""
    DEAD = "dead"
    """Its worker is gone."""
    SILENT = "silent"
    """Its worker is on another host, from which nothing has come for long."""


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
        return Sign.SILENT if silent_seconds > SILENT_SECONDS else Sign.WORKING
    return Sign.WORKING if worker_alive else Sign.DEAD


@dataclass(slots=True)
class _Watched:
    number: int
    worker: str
    files: AttemptFiles
    shim: Identity | None = None
    sign: Sign = Sign.WORKING
    verdict: Attempt | None = None
    """What the files say, once nobody works on it; read once."""

    @property
    def picture(self) -> tuple[object, ...]:
        """All that a reader shows of it."""
        files = self.files
        return files.percent, files.transfer, files.begun_at, self.sign, self.verdict


@dataclass(slots=True)
class LiveAttempts:
    """The attempts of one experiment that the journal calls live, and what their files say."""

    layout: Layout
    plan: Plan
    watched: dict[str, _Watched] = field(default_factory=dict)
    """By job id."""

    def follow(self, job: str, attempt: Attempt | None) -> None:
        """Begin, continue or (None) cease to watch a job's live attempt."""
        known = self.watched.get(job)
        if attempt is None or job not in self.plan.by_id:
            self.watched.pop(job, None)
        elif known is None or (known.number, known.worker) != (attempt.number, attempt.worker):
            files = AttemptFiles(self.layout.attempt_dir(job, attempt.number))
            self.watched[job] = _Watched(attempt.number, attempt.worker, files)

    @property
    def over(self) -> set[str]:
        """Jobs on which nobody works any more, whatever the journal says."""
        return {job for job, known in self.watched.items() if known.sign is not Sign.WORKING}

    def as_shown(self, job: str, attempt: Attempt) -> Attempt:
        """Return a live attempt as its files show it now."""
        known = self.watched.get(job)
        if known is None or known.number != attempt.number:
            return attempt
        if known.verdict is not None and known.sign is not Sign.WORKING:
            return known.verdict
        files = known.files
        if attempt.verdict is Verdict.CLAIMED and files.begun_at is not None:
            attempt = replace(attempt, verdict=Verdict.RUNNING, started_at=files.begun_at)
        if files.percent is None:
            return attempt
        return replace(attempt, percent=files.percent, transfer=files.transfer)

    def look(self, now: float, engine_alive: bool, last: Callable[[str], Attempt]) -> set[str]:
        """Read what is new of every watched attempt; return the jobs whose picture changed."""
        before = {job: known.picture for job, known in self.watched.items()}
        for known in self.watched.values():
            known.files.read()
        for job, known in self.watched.items():
            self._judge(job, known, now, engine_alive, last(job))
        return {job for job, known in self.watched.items() if known.picture != before[job]}

    def _judge(
        self, job: str, known: _Watched, now: float, engine_alive: bool, attempt: Attempt
    ) -> None:
        before = known.sign
        has_outcome = not engine_alive and known.files.has_outcome
        alive = True if engine_alive else self._is_worker_alive(known)
        # A worker is heard of by whichever attempt it has.
        of_worker = (one.files for one in self.watched.values() if one.worker == known.worker)
        silent = now - max(one.last_sign_at for one in of_worker) if alive is None else 0.0
        known.sign = read_sign(has_outcome, alive, engine_alive, silent)
        if known.sign is Sign.WORKING:
            known.verdict = None
        elif known.verdict is None or before is not known.sign:
            known.verdict = self._verdict(job, known, attempt)

    def _is_worker_alive(self, known: _Watched) -> bool | None:
        directory = self.layout.worker_dir(known.worker)
        experiment = read_id(self.layout)
        known.shim = known.shim or who_holds(directory, experiment)
        return is_worker_alive(directory, experiment, known.shim)

    def _verdict(self, job: str, known: _Watched, attempt: Attempt) -> Attempt:
        """Settle from the files, as the engine will."""
        planned = self.plan.by_id[job]
        found = None
        if known.sign is Sign.ENDED:
            found = settlement(self.layout, self.plan, planned, known.number, hash_files=False)
        if known.sign is Sign.SILENT:
            found = SILENT_ELSEWHERE
        return settled(attempt, found or ending(self.layout, planned, known.number))
