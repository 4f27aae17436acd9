"""Folds journal lines into evidence, one line at a time; pure, and the only meaning they have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from sys import intern
from typing import Any

from tuilab.grid.fingerprint import parts_from
from tuilab.grid.limits import Limit
from tuilab.grid.notes import EXPERIMENT, NO_NOTE, Note, changed
from tuilab.grid.packed_evidence import EvidenceByJob
from tuilab.grid.states import LIVE, Acceptance, Attempt, Evidence, Verdict

Line = Mapping[str, Any]
BAD_ENDS = frozenset({Verdict.FAILED, Verdict.SUSPECT, Verdict.LOST})
HUB = "the model hub"
"""Who paused, where a hub gave nothing: the engine goes on by itself when it answers again."""


@dataclass(slots=True)
class Ledger:
    """What the journal says, by job; grows by ``fold`` and never looks at a file."""

    evidence: EvidenceByJob = field(default_factory=EvidenceByJob)
    pause: str = ""
    """"" , ``soft`` or ``hard``."""
    pause_by: str = ""
    """Who paused last."""
    pause_until: float | None = None
    """Unix time before which the engine does not try whether it can go on by itself."""
    pause_why: str = ""
    """What the engine gave as the reason when it paused by itself."""
    limit: Limit = field(default_factory=Limit)
    """How long the run may go on."""
    spent: float = 0.0
    """Seconds of all attempts that have ended, whatever became of them."""
    spent_before: float = 0.0
    """The same when the limit was set."""
    asked: int = 0
    """Number of the last line by which a person asked for work."""
    claimed: int = 0
    """Number of the last line by which an attempt was made."""
    paused: int = 0
    """Number of the last line by which something paused."""
    died: int = 0
    """Number of the last line that tells of an engine that died."""
    first_failure: tuple[int, str] = (0, "")
    """Line and job of the first bad end since a person asked, after which nothing is retried."""
    notes: Mapping[str, Note] = field(default_factory=dict)
    """What people wrote, by cell ("" = the experiment); another mapping after each change."""
    notified: dict[str, int] = field(default_factory=dict)
    """Number of the last line that says that people were told, by what of."""
    go: bool = False
    """Whether an operator asked the engine to go on with queued work."""
    order: tuple[str, ...] = ()
    """Job ids that a person moved to the front of the queue, first to start first."""
    sequence: int = 0
    """Number of the last folded line."""
    gaps: int = 0
    """Times that numbers were left out: lines are gone, or could not be written."""
    peaks: dict[str, int] = field(default_factory=dict)
    """Largest GPU memory of a done attempt, in bytes, by stage."""
    engine: Line = field(default_factory=dict)
    """The last line by which an engine said that it began, or that it left."""
    answered: set[str] = field(default_factory=set)
    """Ids of requests that were answered or acted upon; a second reading of one does nothing."""
    skipped: list[int] = field(default_factory=list)
    """Numbers of lines of a known kind that lacked what the kind needs; they changed nothing."""

    def of(self, job: str) -> Evidence:
        """Return what is known of a job; empty evidence if it was never mentioned."""
        return self.evidence.of(job)

    def attempt(self, job: str, number: int) -> Attempt | None:
        """Return an attempt of a job; None where it was never mentioned."""
        return next((one for one in self.of(job).attempts if one.number == number), None)

    def fold(self, lines: Iterable[Line]) -> set[str]:
        """Take in journal lines in order and return the ids of the jobs they touched."""
        return set(chain.from_iterable(self.touches(lines)))

    def touches(self, lines: Iterable[Line]) -> Iterator[Iterable[str]]:
        """The same, yielding of each line the jobs that it touched.

        A line that is older than what was folded (``seq``), of an unknown kind, about an unknown
        attempt, or damaged changes nothing: a journal of a newer program stays readable.
        """
        for line in lines:
            number = line.get("seq", self.sequence + 1)
            if not isinstance(number, int) or number <= self.sequence:
                continue
            self.gaps += number > self.sequence + 1
            self.sequence = number
            action = _ACTIONS.get(str(line.get("kind")))
            if action is None:
                continue
            try:
                touched = action(self, line)
            except (KeyError, TypeError, ValueError, AttributeError):
                self.skipped.append(number)
            else:
                yield touched


def _wanted(ledger: Ledger, line: Line) -> Iterable[str]:
    for job, number in line["jobs"].items():
        known = ledger.of(job)
        restarted = int(number) if line.get("restart") else known.restarted
        ledger.evidence[job] = Evidence(known.attempts, int(number), restarted=restarted)
    if line.get("verb") != "retry":  # the engine asks again, a person asks to go on
        ledger.go = True
        ledger.asked, ledger.first_failure = ledger.sequence, (0, "")
    if line.get("request"):
        ledger.answered.add(str(line["request"]))
    return _jobs_of(line)


def _request(ledger: Ledger, line: Line) -> Iterable[str]:
    ledger.answered.add(str(line["id"]))
    return ()


def _jobs_of(line: Line) -> Iterable[str]:
    found: Iterable[str] = line["jobs"]
    return found


def _each(ledger: Ledger, line: Line, **change: Any) -> Iterable[str]:
    for job in line["jobs"]:
        ledger.evidence[job] = replace(ledger.of(job), **change)
    return _jobs_of(line)


def _claimed(ledger: Ledger, line: Line) -> Iterable[str]:
    attempt = Attempt(
        number=int(line["attempt"]),
        token=str(line["token"]),
        fingerprint=intern(str(line["fingerprint"])),
        inputs={intern(job): intern(made) for job, made in line.get("inputs", {}).items()},
        worker=intern(str(line.get("worker", ""))),
        parts=parts_from(line.get("parts")),
        read={intern(job): int(number) for job, number in line.get("read", {}).items()},
    )
    known = ledger.of(line["job"])
    ledger.claimed = ledger.sequence
    if known.last is None or known.last.number < attempt.number:
        ledger.evidence[line["job"]] = _with(known, (*known.attempts, attempt))
    return (line["job"],)


def _started(ledger: Ledger, line: Line) -> Iterable[str]:
    def begin(attempt: Attempt) -> Attempt:
        if attempt.verdict not in LIVE and attempt.verdict is not Verdict.LOST:
            return attempt
        return Attempt(
            attempt.number,
            attempt.token,
            attempt.fingerprint,
            attempt.inputs,
            attempt.worker,
            Verdict.RUNNING,
            seconds=attempt.seconds,
            started_at=line.get("started_at"),
            finished_at=attempt.finished_at,
            output_hash=attempt.output_hash,
            by=attempt.by,
            parts=attempt.parts,
            read=attempt.read,
            checkpoints=attempt.checkpoints,
            accepted=attempt.accepted,
            moved=attempt.moved,
            numbers=attempt.numbers,
        )

    return _amend(ledger, line, begin)


def _settled(ledger: Ledger, line: Line) -> Iterable[str]:
    verdict = Verdict(line["verdict"])

    def told(name: str, before: Any) -> Any:
        value = line.get(name)
        return before if value is None else value

    def settle(attempt: Attempt) -> Attempt:
        ledger.spent += told("seconds", attempt.seconds) - attempt.seconds
        # Written out: ``dataclasses.replace`` costs more than all the rest of a journal's reading.
        return Attempt(
            attempt.number,
            attempt.token,
            attempt.fingerprint,
            attempt.inputs,
            attempt.worker,
            verdict,
            line.get("reason"),  # a lost attempt that came back and succeeded has none
            told("detail", attempt.detail),
            told("seconds", attempt.seconds),
            told("started_at", attempt.started_at),
            told("finished_at", attempt.finished_at),
            intern(told("output_hash", attempt.output_hash)),
            told("by", attempt.by),
            attempt.parts,
            attempt.read,
            checkpoints_from(line) or attempt.checkpoints,
            attempt.accepted,
            moved=attempt.moved,
            numbers=line.get("metrics") or attempt.numbers,
        )

    peak = line.get("peak_device")
    if isinstance(peak, int) and peak > 0 and verdict is Verdict.DONE:
        stage = str(line["job"]).partition("/")[0]
        ledger.peaks[stage] = max(peak, ledger.peaks.get(stage, 0))
    touched = _amend(ledger, line, settle)
    if verdict in BAD_ENDS and not ledger.first_failure[0] and not ledger.of(line["job"]).is_due:
        ledger.first_failure = (ledger.sequence, str(line["job"]))
    return touched


def checkpoints_from(raw: Mapping[str, Any]) -> dict[int, str]:
    """Read the hashes of checkpoints by epoch; {} where there are none."""
    return {int(epoch): str(made) for epoch, made in (raw.get("checkpoints") or {}).items()}


def _moved(ledger: Ledger, line: Line) -> Iterable[str]:
    commit = str(line["commit"])
    return _amend(ledger, line, lambda attempt: replace(attempt, moved=commit))


def _accepted(ledger: Ledger, line: Line) -> Iterable[str]:
    for job, raw in line["jobs"].items():
        word = Acceptance(
            parts_from(raw.get("parts")),
            dict(raw.get("inputs", {})),
            str(raw.get("causes", "")),
            str(line.get("by", "")),
            str(line.get("why", "")),
        )

        def accept(
            attempt: Attempt, word: Acceptance = word, raw: Mapping[str, Any] = raw
        ) -> Attempt:
            made = attempt.checkpoints or checkpoints_from(raw)
            return replace(attempt, accepted=word, checkpoints=made)

        _amend(ledger, {"job": job, "attempt": raw["attempt"]}, accept)
    return _jobs_of(line)


def _amend(ledger: Ledger, line: Line, change: Callable[[Attempt], Attempt]) -> Iterable[str]:
    known = ledger.of(line["job"])
    number = int(line["attempt"])
    attempts = tuple(change(a) if a.number == number else a for a in known.attempts)
    ledger.evidence[line["job"]] = _with(known, attempts)
    return (line["job"],)


def _with(known: Evidence, attempts: tuple[Attempt, ...]) -> Evidence:
    """``dataclasses.replace`` costs ten times as much, and a journal has 100,000 lines."""
    return Evidence(attempts, known.wanted, known.held, known.restarted)


def _paused(ledger: Ledger, line: Line) -> Iterable[str]:
    ledger.pause = str(line.get("mode", "soft"))
    ledger.pause_by, ledger.pause_why = str(line.get("by") or ""), str(line.get("why") or "")
    until = line.get("until")
    ledger.pause_until = float(until) if isinstance(until, int | float) else None
    ledger.paused = ledger.sequence
    return ()


def _resumed(ledger: Ledger, line: Line) -> Iterable[str]:
    ledger.pause = ""
    ledger.go = True
    return ()


def _ordered(ledger: Ledger, line: Line) -> Iterable[str]:
    ledger.order = tuple(line["jobs"])
    return ()


def _engine_started(ledger: Ledger, line: Line) -> Iterable[str]:
    ledger.engine = line
    ledger.go = bool(line.get("go", False))
    if line.get("died"):
        ledger.died = ledger.sequence
    return ()


def _engine_stopped(ledger: Ledger, line: Line) -> Iterable[str]:
    ledger.engine = line
    return ()


def _limited(ledger: Ledger, line: Line) -> Iterable[str]:
    until, hours = line.get("until"), line.get("gpu_hours")
    ledger.limit = Limit(
        None if until is None else float(until), None if hours is None else float(hours) * 3600
    )
    ledger.spent_before = ledger.spent
    return ()


def _noted(ledger: Ledger, line: Line) -> Iterable[str]:
    cells = [str(cell) for cell in line["cells"]] or [EXPERIMENT]
    new = {cell: changed(ledger.notes.get(cell, NO_NOTE), line) for cell in cells}
    ledger.notes = {**ledger.notes, **new}
    return ()


def _notified(ledger: Ledger, line: Line) -> Iterable[str]:
    ledger.notified[str(line["what"])] = ledger.sequence
    return ()


_ACTIONS: dict[str, Callable[[Ledger, Line], Iterable[str]]] = {
    "wanted": _wanted,
    "request": _request,
    "unwanted": lambda ledger, line: _each(ledger, line, wanted=0),
    "held": lambda ledger, line: _each(ledger, line, held=str(line.get("why", "held"))),
    "released": lambda ledger, line: _each(ledger, line, held=""),
    "claimed": _claimed,
    "started": _started,
    "settled": _settled,
    "accepted": _accepted,
    "moved": _moved,
    "paused": _paused,
    "resumed": _resumed,
    "ordered": _ordered,
    "engine-started": _engine_started,
    "engine-stopped": _engine_stopped,
    "limited": _limited,
    "noted": _noted,
    "notified": _notified,
}
