"""Decides what state a job and a cell are in; total functions of evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from tuilab.grid.fingerprint import Parts
from tuilab.grid.jobs import Job
from tuilab.grid.stages import Stage
from tuilab.grid.transfer import Transfer


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
class Acceptance:
    """A person's word that a stale result counts as current."""

    parts: Parts | None
    """Of the job when it was given: while they stay the same the word holds."""
    inputs: Mapping[str, str]
    """What the job would have read at that moment, by job id."""
    causes: str = ""
    """Why it was stale."""
    by: str = ""
    why: str = ""

    def __str__(self) -> str:
        return f"{self.causes}; accepted by {self.by or 'a person'}: {self.why}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as the journal and the disk tell it."""

    number: int
    token: str
    fingerprint: str
    """Fingerprint of the job when the attempt was launched."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Hash of the artefacts that it read of each parent, by job id."""
    worker: str = ""
    verdict: Verdict = Verdict.CLAIMED
    reason: str | None = None
    detail: str = ""
    seconds: float = 0.0
    started_at: float | None = None
    """Unix time at which the runner spoke first."""
    finished_at: float | None = None
    output_hash: str = ""
    """Of a fetch the commit: it names every byte."""
    by: str = ""
    """Who ended it, when an operator did."""
    parts: Parts | None = None
    """Parts of the job when it was launched; None where version 0.1 launched it."""
    read: Mapping[str, int] = field(default_factory=dict)
    """Number of the attempt that it read of each parent, by job id."""
    checkpoints: Mapping[int, str] = field(default_factory=dict)
    """Hash of each checkpoint of a convergence run, by epoch."""
    accepted: Acceptance | None = None
    percent: float | None = None
    """How far a live one is, 0..100, as far as it has said."""
    transfer: Transfer | None = None
    """The same of a live one that fetches, in bytes."""
    moved: str = ""
    """Of a fetch: the commit that its branch is by now, where that is not what was fetched."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """What it measured, as ``grid/metrics.py`` reads it back."""

    def checkpoint(self, epoch: int | None) -> str:
        """Return the hash of a checkpoint, "" when it kept none; all of it where none is told."""
        return self.checkpoints.get(epoch or 0, "") if self.checkpoints else self.output_hash


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


_NO_CAUSES: Mapping[int, tuple[str, ...]] = {}
_NO_WORDS: Mapping[int, str] = {}


@dataclass(frozen=True, slots=True)
class Result:
    """The newest result of a job as the jobs that read it see it."""

    attempt: Attempt
    stale: tuple[str, ...] = ()
    """Why it is not what the plan asks for; () = it is, by itself or by a person's word."""
    usable: tuple[Attempt, ...] = ()
    """Attempts that are what the plan asks for, newest first: of a convergence run every one, since
    a cell keeps the checkpoint of any; else the newest."""
    others: Mapping[int, tuple[str, ...]] = field(default_factory=lambda: _NO_CAUSES)
    """Why each other one is not, by number."""
    words: Mapping[int, str] = field(default_factory=lambda: _NO_WORDS)
    """What was accepted of which attempt, by number, where that is what keeps it."""

    def holding(self, epoch: int | None) -> tuple[Attempt, ...]:
        """Return the usable attempts that kept the checkpoint of an epoch, newest first."""
        return tuple(run for run in self.usable if run.checkpoint(epoch))


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
    transfer: Transfer | None = None
    """How far it is in bytes, while it fetches."""
    started_at: float | None = None
    blocked_by: str = ""
    """The broken or stopped job that it waits for in the end; "" while all ahead of it goes on."""
    held: str = ""
    """Why nothing may start it although it is asked for: a person, or the breaker."""
    given_to: str = ""
    """Worker that has a new attempt of it in its inbox and has not begun it ("" = none): queued."""
    result: Result | None = None
    """What the jobs below read, whatever the state of a newer attempt; None without a result."""
    accepted: str = ""
    """What of it, or of what it rests on, was stale, who keeps it and why ("" = nothing)."""

    @property
    def is_live(self) -> bool:
        """Whether an attempt is running or given to a worker: no other may be made beside it."""
        return self.state is State.RUNNING or bool(self.given_to)


Explain = Callable[[Job, Attempt], str]
"""Names the settings of an attempt that are not the plan's (``eval.samples 10 → 20``), "" = none"""


def no_settings(job: Job, attempt: Attempt) -> str:
    """Explain nothing: for those who have no specs at hand."""
    return ""


def derive_state(
    job: Job, evidence: Evidence, parents: Mapping[str, JobStatus], explain: Explain = no_settings
) -> JobStatus:
    """Decide a job's state.

    ``parents`` holds the status of each of ``job.parents``. A live attempt outranks everything (one
    that its worker has not begun is queued there), then a wish for a new attempt, then the last
    verdict, then staleness, which ``explain`` helps to name.
    """
    last, result = evidence.last, _result(job, evidence, parents, explain)
    if last is not None and last.verdict is Verdict.RUNNING:
        status = _status(job.id, job.stage, State.RUNNING, last, result)
        return replace(status, percent=last.percent, transfer=last.transfer)
    if last is not None and last.verdict is Verdict.CLAIMED:
        worker, number = last.worker or "?", last.number
        return JobStatus(
            job.id, job.stage, State.QUEUED, attempt=number, given_to=worker, result=result
        )
    if evidence.is_due:
        return _pending(job, evidence, parents, result)
    if last is None:
        return JobStatus(job.id, job.stage, State.IDLE)
    if last.verdict is not Verdict.DONE or result is None:
        return _status(job.id, job.stage, State(last.verdict.value), last, result)
    if result.stale:
        return _status(job.id, job.stage, State.STALE, last, result, detail=told(result.stale))
    if moved := _moved(job, last):
        return _status(job.id, job.stage, State.STALE, last, result, detail=moved)
    if lacks := [str(epoch) for epoch in job.checkpoints if not result.holding(epoch)]:
        detail = f"no checkpoint of epoch {', '.join(lacks)} was kept"
        return _status(job.id, job.stage, State.STALE, last, result, detail=detail)
    return _status(
        job.id, job.stage, State.DONE, last, result, accepted=_accepted(last, result, parents)
    )


def is_plain(known: Evidence) -> bool:
    """Whether a job's state hangs on hashes alone: it is done, and there is nothing to say of it.

    Where its fingerprint is the plan's, and it read of each parent what that parent's result is,
    none of them stale or accepted, ``derive_state`` gives ``plain_status``. A convergence run is
    never plain: its cells read checkpoints of several attempts.
    """
    last = known.last
    if last is None or last.verdict is not Verdict.DONE or known.is_due or not last.output_hash:
        return False
    return not (last.reason is not None or last.detail or last.moved or last.checkpoints)


def plain_status(job: str, stage: Stage, known: Evidence) -> JobStatus:
    """Return the status of a plain job whose hashes are those of the plan and of its parents."""
    last = known.last
    assert last is not None, "a plain job has an attempt"
    return _status(job, stage, State.DONE, last, Result(last, (), (last,)))


def commit_of(job: Job, known: Evidence) -> str:
    """Return the commit at which a base was fetched as a job asks for it; "" when it was not."""
    done = known.last_done
    if done is None or any(_own_causes(job, done, no_settings)):
        return ""
    return done.output_hash


def _moved(job: Job, attempt: Attempt) -> str:
    """Say that the branch of a fetched base is another commit by now; "" where it is pinned."""
    kept = attempt.output_hash
    if not attempt.moved or attempt.moved == kept or (job.parts and job.parts.base == kept):
        return ""
    branch = job.parts.base if job.parts else "the branch"
    return (
        f"{branch} is now at {attempt.moved}, and this experiment keeps {kept}: set base.revision "
        "to one of them"
    )


def for_epoch(status: JobStatus, epoch: int | None) -> JobStatus:
    """Return the status of a parent as a job of an epoch sees it.

    A convergence run that only lacks checkpoints of other epochs is done, and so is a base whose
    branch has moved on: what was fetched is kept.
    """
    result = status.result
    is_lacking = status.state is State.STALE and result is not None and not result.stale
    if result is None or not is_lacking or not result.holding(epoch):
        return status
    return replace(status, state=State.DONE, detail="")


def other_bytes(job: str, evidence: Evidence, number: int, made: Mapping[int, str]) -> str:
    """Say which checkpoints an attempt made again with other bytes, "" when none.

    The same settings, code and inputs need not give the same bytes on a GPU.
    """
    attempt = next((one for one in evidence.attempts if one.number == number), None)
    for former in reversed(evidence.attempts):
        if attempt is None or former.number >= number or former.verdict is not Verdict.DONE:
            continue
        is_same = (former.parts, dict(former.inputs)) == (attempt.parts, dict(attempt.inputs))
        before = former.checkpoints if is_same else {}
        if apart := [str(e) for e, one in before.items() if made.get(e, one) != one]:
            return (
                f"{job} attempt {number} made other bytes than attempt {former.number} for the "
                f"checkpoint of epoch {', '.join(apart)}, with the same settings, code and inputs: "
                "cells keep the one that they were trained on"
            )
    return ""


def attempt_to_read(
    job: Job, parent: str, parents: Mapping[str, JobStatus], evidence: Evidence
) -> Attempt | None:
    """Return the attempt of a parent (of which ``evidence`` tells) that a new attempt reads.

    A training reads the newest run that kept its checkpoint; what comes after it reads the one
    that it was trained on.
    """
    if parents[parent].stage is not Stage.CONVERGE:
        return evidence.last_done
    result = parents[parent].result
    usable = result.holding(job.epoch) if result else ()
    trained = _training_of(parents)
    if trained is None:
        return next(iter(usable), None)
    number, used = trained.read.get(parent), trained.inputs.get(parent, "")
    done = (one for one in reversed(evidence.attempts) if one.verdict is Verdict.DONE)
    return next((one for one in done if _is_read(one, job.epoch, number, used)), None)


def _is_read(run: Attempt, epoch: int | None, number: int | None, used: str) -> bool:
    if number is not None:
        return run.number == number
    return used in (run.checkpoint(epoch), run.output_hash)


def _training_of(parents: Mapping[str, JobStatus]) -> Attempt | None:
    """Return the training that a job builds on; None for a training itself.

    None also where the marker was trained on the base, before any convergence: it read no run.
    """
    of_cell = (one for one in parents.values() if one.stage is Stage.TRAIN and "@" in one.job)
    train = next(of_cell, None)
    return train.result.attempt if train is not None and train.result is not None else None


def _result(
    job: Job, evidence: Evidence, parents: Mapping[str, JobStatus], explain: Explain
) -> Result | None:
    newest = evidence.last_done
    if newest is None:
        return None
    usable: list[Attempt] = []
    others: dict[int, tuple[str, ...]] = {}
    words: dict[int, str] = {}
    is_run = job.stage is Stage.CONVERGE
    for attempt in reversed(evidence.attempts) if is_run else (newest,):
        if attempt.verdict is not Verdict.DONE:
            continue
        causes = tuple(dict.fromkeys(_causes(job, attempt, parents, explain)))
        word = attempt.accepted
        if causes and word is not None and word.parts == job.parts:
            words[attempt.number] = str(word)
            causes = tuple(_input_causes(job, word.inputs, {}, parents))
        if causes:
            others[attempt.number] = tuple(sorted(causes, key=_speaks_of_code))
        else:
            usable.append(attempt)
    stale = () if usable else others[newest.number]
    # A grid has tens of thousands of results, and hardly one of them has anything to say.
    return Result(newest, stale, tuple(usable), others or _NO_CAUSES, words or _NO_WORDS)


def _accepted(attempt: Attempt, result: Result, parents: Mapping[str, JobStatus]) -> str:
    """Say what was accepted of a result or of what it rests on; "" for nothing."""
    if word := result.words.get(attempt.number, ""):
        return word
    for name, parent in parents.items():
        if parent.stage is not Stage.CONVERGE:
            word = parent.accepted
        elif parent.result is not None:
            word = parent.result.words.get(attempt.read.get(name, 0), "")
        if word:
            return word
    return ""


def told(causes: Sequence[str], limit: int = 3) -> str:
    """Write causes in one line."""
    more = len(causes) - limit
    return "; ".join(causes[:limit]) + (f"; and {more} more" if more > 0 else "")


def _causes(
    job: Job, attempt: Attempt, parents: Mapping[str, JobStatus], explain: Explain
) -> Iterator[str]:
    own = list(_own_causes(job, attempt, explain))
    yield from own
    # A change of a module that all stages share would be named once for each of them.
    is_code = any(map(_speaks_of_code, own))
    for cause in _input_causes(job, attempt.inputs, attempt.read, parents):
        if not (is_code and _speaks_of_code(cause)):
            yield cause


def _speaks_of_code(cause: str) -> bool:
    return cause.startswith(("the code of", _OLD))


_OLD = "made by tuilab 0.1, whose"
ACCEPT = "; accept keeps it"
"""Ends the cause that an upgrade brings about: nothing may have changed that matters."""


def _own_causes(job: Job, attempt: Attempt, explain: Explain) -> Iterator[str]:
    now, then = job.parts, attempt.parts
    if job.stage is Stage.FETCH and now and then and now.settings == then.settings:
        if now.base not in (then.base, attempt.output_hash):
            yield f"base.revision {then.base} → {now.base}"
        return
    if attempt.fingerprint == job.fingerprint or now == then is not None:
        return
    if now is None:
        yield "the config or the runner code it depends on has changed since"
    elif then is None:
        if settings := explain(job, attempt):
            yield settings
        yield f"{_OLD} {job.stage.value} code differs{ACCEPT}"
    else:
        if now.settings != then.settings:
            yield explain(job, attempt) or f"the settings of {job.stage.value} changed"
        if now.code != then.code:
            yield f"the code of {job.stage.value} changed"
        if now.base != then.base and then.base:
            yield "the files of the base changed"


def _input_causes(
    job: Job, inputs: Mapping[str, str], read: Mapping[str, int], parents: Mapping[str, JobStatus]
) -> Iterator[str]:
    """Name what a job would read otherwise now; an input of unknown hash says nothing."""
    for name, used in inputs.items():
        parent = parents.get(name)
        if parent is None or parent.result is None or not used:
            continue
        if parent.stage is Stage.CONVERGE:
            yield from _checkpoint_causes(job, parent, used, read.get(name), parents)
        elif used != (made := parent.result.attempt.output_hash or used):
            if parent.stage is Stage.FETCH:
                yield f"the base was {used[:12]} and is {made[:12]} now"
            else:
                yield f"{name} has another result"
        else:
            yield from parent.result.stale


def _checkpoint_causes(
    job: Job, parent: JobStatus, used: str, number: int | None, parents: Mapping[str, JobStatus]
) -> Iterator[str]:
    """Name why the checkpoint that was read is no longer the cell's.

    A training keeps it while any run that is as planned made it. What comes after it must have
    read the one that it was trained on.
    """
    result = parent.result
    assert result is not None, "only results are compared"
    another = f"{parent.job} has another epoch-{job.epoch} checkpoint"
    if (trained := _training_of(parents)) is not None:
        word = trained.accepted.inputs.get(parent.job) if trained.accepted else None
        if used not in (trained.inputs.get(parent.job, used), word):
            yield another
        return
    usable = result.holding(job.epoch)
    if any(used in (run.checkpoint(job.epoch), run.output_hash) for run in usable):
        return
    why = result.others.get(number or 0, ()) or result.stale
    if usable:
        yield another + (f" ({told(why)})" if why else "")
    else:
        yield from why or (another,)


def _pending(
    job: Job, evidence: Evidence, parents: Mapping[str, JobStatus], result: Result | None
) -> JobStatus:
    number = evidence.last.number if evidence.last else 0
    ahead = [one for one in parents.values() if for_epoch(one, job.epoch).state not in USABLE]
    if not ahead:
        held = evidence.held
        return JobStatus(
            job.id, job.stage, State.QUEUED, detail=held, attempt=number, held=held, result=result
        )
    parent = next((one for one in ahead if _blocker(one)), ahead[0])
    how = "" if parent.state in _UNDER_WAY else f" ({parent.state.value})"
    return JobStatus(
        job.id,
        job.stage,
        State.WAITING,
        reason="upstream" if _is_stuck(parent) else None,
        detail=f"waits for {parent.job}{how}",
        attempt=number,
        blocked_by=_blocker(parent),
        held=evidence.held,
        result=result,
    )


_UNDER_WAY = frozenset({State.QUEUED, State.WAITING, State.RUNNING})


def heard_below(status: JobStatus) -> tuple[object, ...]:
    """Return all that the jobs below take from a status: where it is the same, theirs is.

    A shared job has the whole grid below it, and says how far it is every second.
    """
    state = State.QUEUED if status.state in _UNDER_WAY else status.state
    return state, _blocker(status), _is_stuck(status), status.accepted, status.result


def _is_stuck(parent: JobStatus) -> bool:
    """Whether a parent comes only if somebody asks: stale, broken, stopped, or below such a one."""
    is_below = parent.state is State.WAITING and parent.reason == "upstream"
    return is_below or parent.state is State.STALE or bool(_blocker(parent))


def _blocker(parent: JobStatus) -> str:
    """Name the job that keeps a parent from ever being done by itself, "" when none does."""
    if parent.state in BROKEN or parent.state is State.STOPPED:
        return parent.job
    return parent.blocked_by if parent.state is State.WAITING else ""


def _status(
    job: str,
    stage: Stage,
    state: State,
    attempt: Attempt,
    result: Result | None,
    detail: str | None = None,
    accepted: str = "",
) -> JobStatus:
    return JobStatus(
        job,
        stage,
        state,
        reason=attempt.reason,
        detail=attempt.detail if detail is None else detail,
        attempt=attempt.number,
        seconds=attempt.seconds,
        started_at=attempt.started_at,
        result=result,
        accepted=accepted,
    )


_RANKED = "running failed suspect lost stopped queued waiting idle stale done"
_CELL_RANK = {State(word): rank for rank, word in enumerate(_RANKED.split())}


def derive_cell(jobs: Sequence[JobStatus]) -> JobStatus:
    """Return the status that speaks for a cell: that of its most telling own job.

    ``jobs`` are the cell's own stages in order. Done only when all are; otherwise the first of the
    highest ranking state (running, failed, suspect, lost, stopped, queued, waiting, idle, stale).
    A cell with some done and some idle jobs is idle at the first idle stage. A stale cell names the
    causes of all its stale jobs: who accepts it accepts them all.
    """
    speaks = min(jobs, key=lambda status: _CELL_RANK[status.state])
    return replace(speaks, detail=why_stale(jobs)) if speaks.state is State.STALE else speaks


def why_stale(jobs: Iterable[JobStatus]) -> str:
    """Say why the stale ones of a cell's jobs are stale; a change of code is named once, last."""
    stale = (one for one in jobs if one.state is State.STALE)
    causes = dict.fromkeys(
        cause for one in stale for cause in ((one.result and one.result.stale) or (one.detail,))
    )
    code = [cause for cause in causes if _speaks_of_code(cause)]
    return told([*(cause for cause in causes if cause not in code), *code[:1]])
