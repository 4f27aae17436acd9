"""Decides which jobs a run or a relaunch touches; what is shown from here is what happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from tuilab.grid.cells import Cell
from tuilab.grid.jobs import Job, Plan, ancestors, descendants
from tuilab.grid.lines import persona_of
from tuilab.grid.resuming import may_go_on_from
from tuilab.grid.stages import ORDER, Stage
from tuilab.grid.states import (
    ACCEPT,
    BROKEN,
    WITH_RESULT,
    Evidence,
    JobStatus,
    State,
    for_epoch,
    told,
)
from tuilab.grid.text import count_of, duration, list_of

_REDO = BROKEN | {State.STOPPED}
_BEGINS = {State.DONE: "again", State.IDLE: "never requested"}
"""Why a relaunch begins at a job, where the word for its state does not say it."""
_ON_ITS_WAY = frozenset({State.DONE, State.RUNNING, State.QUEUED, State.WAITING})
"""States of a parent for which a new attempt can wait; a stale one would block it for ever."""
_ASKED_FOR = frozenset({State.QUEUED, State.WAITING})
STOP_FIRST = "stop it first"
"""Ends a sentence that a key or a command helps against."""


class Evidences(Protocol):
    """What is known of jobs, by id; a Ledger is one."""

    def of(self, job: str) -> Evidence:
        """Return the evidence of a job, empty when there is none."""


@dataclass(frozen=True, slots=True)
class Touched:
    """One job that will get a new attempt."""

    job: str
    stage: Stage
    attempt: int
    """Number of the new attempt."""
    seconds: float | None
    """Wall seconds it took last time; None when it never finished."""
    why: str
    """In a few words, such as ``failed`` or ``below train``."""
    resumes: int = 0
    """Unfinished attempt whose saved state it goes on from, if it saved one; 0 = from scratch."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """The exact answer to a wish."""

    verb: str
    jobs: tuple[Touched, ...] = ()
    """In plan order."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Cell (or job) by name to the reason why nothing of it is touched."""
    turns_stale: tuple[str, ...] = ()
    """Cells that keep their result and read a shared job that is made again: stale if its result
    differs."""

    @property
    def wanted(self) -> dict[str, int]:
        """Job id to the attempt number asked for: the journal's ``wanted`` line."""
        return {one.job: one.attempt for one in self.jobs}

    @property
    def seconds(self) -> float:
        """Wall seconds that the touched jobs took last time, where known."""
        return sum(one.seconds or 0.0 for one in self.jobs)

    @property
    def never_ran(self) -> int:
        """How many of the touched jobs have no time to go by."""
        return sum(one.seconds is None for one in self.jobs)


def expand_run(
    plan: Plan, evidence: Evidences, states: Mapping[str, JobStatus], cells: Collection[Cell]
) -> Expansion:
    """Answer ``run``: every job of the cells that has no result yet, and all that it needs.

    A stale result is kept, unless a job without a result would have to be built on it.
    """
    chosen = frozenset(cells)
    open_jobs = [
        job.id
        for job in plan.jobs
        if job.cell in chosen and job.cell is not None and not _is_kept(states[job.id])
    ]
    why = {job: states[job].state.value for job in open_jobs}
    for job in ancestors(plan, open_jobs):
        if needed := _why_needed(plan, plan.by_id[job], states[job], evidence, why):
            why.setdefault(job, needed)
    return Expansion("run", _touched(plan, evidence, why))


def _why_needed(
    plan: Plan, job: Job, status: JobStatus, evidence: Evidences, readers: Collection[str]
) -> str:
    """Say why something above open jobs has to run; "" when it is there, or about to be.

    What is under way may have begun under another plan: then it runs once more. A convergence run
    is asked for its checkpoints alone.
    """
    last, result = evidence.of(job.id).last, status.result
    if status.is_live and (last is None or last.fingerprint == job.fingerprint):
        return ""
    if job.stage is Stage.CONVERGE and (status.is_live or (result and not result.stale)):
        epochs = sorted(
            plan.by_id[child].epoch or 0 for child in plan.children[job.id] if child in readers
        )
        lacks = dict.fromkeys(e for e in epochs if not (result and result.holding(e)))
        return f"for epoch {', '.join(map(str, lacks))}" if lacks else ""
    if status.state is State.DONE:
        return ""
    if status.is_live:
        return "began under another plan"
    return "stale, and needed" if status.state is State.STALE else "needed"


def expand_relaunch(
    plan: Plan,
    evidence: Evidences,
    states: Mapping[str, JobStatus],
    cells: Sequence[Cell],
    from_stage: Stage | None = None,
    changed: Collection[str] = frozenset(),
) -> Expansion:
    """Answer ``relaunch``: for each cell its first broken stage and all below it in that cell,
    together with its stages that nobody has ever asked for.

    With ``from_stage`` that stage and all below it, done or not. Where nothing is broken, the first
    stale stage, otherwise the whole cell. What these are built on is made anew where it is stale or
    gone. ``changed`` are jobs whose settings an edit has changed: no cell starts below the first of
    them. A cell is refused when a running stage or a stale one above ``from_stage`` is in the way,
    and when all that would run is asked for already.
    """
    why: dict[str, str] = {}
    refused: dict[str, str] = {}
    for cell, chain in _chains(plan, cells).items():
        seen = {job.id: for_epoch(states[job.id], cell.epoch) for job in chain}
        starts = _first_jobs(chain, seen, from_stage, changed)
        missing = _missing_above(plan, chain, starts, seen)
        if wrong := _why_not_from(cell, chain, from_stage, missing):
            refused[str(cell)] = wrong
            continue
        starts = [*starts, *missing]
        touched = _from_here_down(plan, chain, starts)
        if busy := _why_no_use(chain, touched, states, changed):
            refused[str(cell)] = busy
            continue
        for job in touched:
            why.setdefault(job, _reason(job, starts, seen, plan))
    jobs = _touched(plan, evidence, why, changed)
    answer = Expansion("relaunch", jobs, refused, _turn_stale(plan, states, why, cells, changed))
    return answer if from_stage is None else from_scratch(answer)


def why_busy(status: JobStatus) -> str:
    """Say of a live job why no other attempt of it is made now."""
    what = "next on a worker" if status.given_to else "running"
    return f"{status.job} is {what}: {STOP_FIRST}"


def _why_no_use(
    chain: Sequence[Job],
    touched: Sequence[str],
    states: Mapping[str, JobStatus],
    changed: Collection[str],
) -> str:
    """Say why a cell cannot be relaunched from here, or would not change by it; "" if neither."""
    if live := [states[job] for job in touched if states[job].is_live]:
        return why_busy(live[0])
    is_asked_for = all(states[job].state in _ASKED_FOR for job in touched)
    if not is_asked_for or not frozenset(changed).isdisjoint(touched):
        return ""
    live = [states[job.id] for job in chain if job.cell and states[job.id].is_live]
    return why_busy(live[0]) if live else "it is already requested and has not started yet"


def broken_cells(plan: Plan, states: Mapping[str, JobStatus]) -> list[Cell]:
    """Return the cells that ``--failed`` means, in grid order.

    Those with a broken job of their own, and those that wait for a broken shared job.
    """
    broken = {job.id for job in plan.jobs if states[job.id].state in BROKEN}
    reached = broken | {
        child
        for child in descendants(plan, [job for job in broken if plan.by_id[job].cell is None])
        if not _is_kept(states[child])
    }
    cells = {plan.by_id[job].cell for job in reached}
    return [cell for cell in plan.cells if cell in cells]


def expand_failed(plan: Plan, evidence: Evidences, states: Mapping[str, JobStatus]) -> Expansion:
    """Answer ``relaunch --failed``: what is failed, lost or suspect, and all that waits for it."""
    answer = expand_relaunch(plan, evidence, states, broken_cells(plan, states))
    shared = {
        job.id: states[job.id].state.value
        for job in plan.jobs
        if job.cell is None and states[job.id].state in BROKEN
    }
    why = {one.job: one.why for one in answer.jobs} | shared
    return Expansion("relaunch", _touched(plan, evidence, why), answer.refused, answer.turns_stale)


def stale_cells(plan: Plan, states: Mapping[str, JobStatus]) -> list[Cell]:
    """Return the cells that ``--stale`` means, in grid order: those with a stale result."""
    stale = {job.cell for job in plan.jobs if states[job.id].state is State.STALE}
    return [cell for cell in plan.cells if cell in stale]


def explain(answer: Expansion) -> list[str]:
    """Say what an expansion means, one line per job, refusal and consequence."""
    lines = []
    for one in answer.jobs:
        took = "no earlier time" if one.seconds is None else f"took {duration(one.seconds)}"
        saved = f"; resumes from what attempt {one.resumes} saved, if anything" * bool(one.resumes)
        lines.append(f"{one.job}  attempt {one.attempt}  {took}  ({one.why}{saved})")
    lines += [f"not {name}: {why}" for name, why in answer.refused.items()]
    if answer.turns_stale:
        kept = list_of(answer.turns_stale, 6)
        lines.append(f"keep their results unless the new ones differ: {kept}")
    return lines


def stale_words(answer: Expansion, states: Mapping[str, JobStatus]) -> str:
    """Say why what is stale among the jobs is so, each cause once; "" where nothing is."""
    stale = [status for one in answer.jobs if (status := states[one.job]).state is State.STALE]
    each = ((one.result and one.result.stale) or (one.detail,) for one in stale)
    causes = Counter(cause.replace(ACCEPT, "") for own in each for cause in own)
    counted = [f"{cause} ({count_of(number, 'job')})" for cause, number in causes.most_common()]
    return f"stale: {told(counted)}" if counted else ""


def _is_kept(status: JobStatus) -> bool:
    """``run`` never repeats a result; stale is a label, not an order."""
    return status.state in WITH_RESULT or status.is_live


def from_scratch(answer: Expansion) -> Expansion:
    """Return the same answer without going on from saved states: what ``--restart`` does."""
    return replace(answer, jobs=tuple(replace(one, resumes=0) for one in answer.jobs))


def _chains(plan: Plan, cells: Sequence[Cell]) -> dict[Cell, list[Job]]:
    """Return each cell's jobs from its shared ancestors down, in plan order."""
    wanted = frozenset(cells)
    own: dict[Cell, list[Job]] = {cell: [] for cell in cells}
    for job in plan.jobs:
        if job.cell is not None and job.cell in wanted:
            own[job.cell].append(job)
    place = plan.places
    chains = {}
    for cell, jobs in own.items():
        shared = sorted(ancestors(plan, [job.id for job in jobs]), key=place.__getitem__)
        above = [plan.by_id[job] for job in shared if plan.by_id[job].cell is None]
        chains[cell] = [*above, *jobs]
    return chains


def _first_jobs(
    chain: list[Job],
    states: Mapping[str, JobStatus],
    from_stage: Stage | None,
    changed: Collection[str],
) -> list[str]:
    """Return the jobs of a chain at which its relaunch begins."""
    who = persona_of(chain[-1].source) if chain else ""
    edited = [job.id for job in chain if job.id in changed]
    if from_stage is not None:
        # The data of the negatives belong to other sources; only the cell's own are made anew.
        chosen = [
            job.id
            for job in chain
            if job.stage is from_stage
            and (from_stage is not Stage.DATA or persona_of(job.source) == who)
        ]
        return [*edited, *chosen]
    never = [job.id for job in chain if job.cell and states[job.id].state is State.IDLE]
    for kinds in (_REDO, frozenset({State.STALE})):
        if found := [job.id for job in chain if states[job.id].state in kinds]:
            return [*edited, *found, *never]
    if edited:
        return [*edited, *never]
    unfinished = [j.id for j in chain if not _is_kept(states[j.id])]
    return unfinished or [job.id for job in chain if job.cell is not None][:1]


def _missing_above(
    plan: Plan, chain: list[Job], starts: list[str], states: Mapping[str, JobStatus]
) -> list[str]:
    """Return what the relaunch is built on and cannot use: stale, broken or never made."""
    touched = set(_from_here_down(plan, chain, starts))
    above = ancestors(plan, touched) - touched
    return [job.id for job in chain if job.id in above and states[job.id].state not in _ON_ITS_WAY]


def _why_not_from(
    cell: Cell, chain: list[Job], from_stage: Stage | None, missing: list[str]
) -> str:
    if from_stage is None:
        return ""
    if any(job.stage is from_stage for job in chain):
        if not missing:
            return ""
        first = missing[0].partition("/")[0]
        return (
            f"{from_stage.value} would wait for {missing[0]}, which is not current: "
            f"start from {first}"
        )
    if from_stage is Stage.CONVERGE and cell.epoch == 0:
        return "epoch 0 has no convergence run; use --from train"
    return f"it has no {from_stage.value} stage"


def _from_here_down(plan: Plan, chain: list[Job], starts: list[str]) -> list[str]:
    """A base that is fetched again is the same base: nothing below it is made again for that."""
    remade = {job for job in starts if plan.by_id[job].stage is not Stage.FETCH}
    for job in chain:  # parents come first; all that is between two jobs of a chain is in it
        if not remade.isdisjoint(job.parents):
            remade.add(job.id)
    return [job.id for job in chain if job.id in remade or job.id in starts]


def _reason(job: str, starts: list[str], states: Mapping[str, JobStatus], plan: Plan) -> str:
    is_below = states[job].state is State.IDLE and not ancestors(plan, [job]).isdisjoint(starts)
    if job in starts and not is_below:
        return _BEGINS.get(states[job].state, states[job].state.value)
    above = [plan.by_id[start] for start in starts if plan.by_id[start].stage is not Stage.FETCH]
    first = min(above, key=lambda one: ORDER[one.stage])
    return f"below {first.stage.value}"


def _touched(
    plan: Plan, evidence: Evidences, why: Mapping[str, str], changed: Collection[str] = ()
) -> tuple[Touched, ...]:
    def resumes(job: Job) -> int:
        """What is edited, or reads a job that is made again, does not go on from what it saved."""
        is_sure = job.id not in changed and why.keys().isdisjoint(job.parents)
        return next(iter(may_go_on_from(job, evidence.of(job.id))), 0) if is_sure else 0

    return tuple(
        Touched(
            job.id,
            job.stage,
            attempt_after(evidence.of(job.id)),
            last_seconds(evidence.of(job.id)),
            why[job.id],
            resumes(job),
        )
        for job in plan.jobs
        if job.id in why
    )


def attempt_after(known: Evidence) -> int:
    """Return the number that a new attempt would get."""
    return (known.last.number if known.last else 0) + 1


def last_seconds(known: Evidence) -> float | None:
    """Return how long the newest good attempt took, else the newest that ended; None without one.

    A failure after a second says nothing about what the next attempt will take.
    """
    if known.last_done is not None and known.last_done.seconds > 0:
        return known.last_done.seconds
    for attempt in reversed(known.attempts):
        if attempt.seconds > 0:
            return attempt.seconds
    return None


def _turn_stale(
    plan: Plan,
    states: Mapping[str, JobStatus],
    touched: Collection[str],
    cells: Sequence[Cell],
    changed: Collection[str],
) -> tuple[str, ...]:
    """Name the other cells that read a shared job which is made again.

    A convergence run that is made again as it was replaces no checkpoint of a cell.
    """
    shared = [
        job
        for job in touched
        if plan.by_id[job].cell is None
        and plan.by_id[job].stage is not Stage.FETCH
        and (plan.by_id[job].stage is not Stage.CONVERGE or job in changed)
    ]
    kept = {
        plan.by_id[job].cell
        for job in descendants(plan, shared)
        if job not in touched and states[job].state in WITH_RESULT
    }
    chosen = frozenset(cells)
    return tuple(str(cell) for cell in plan.cells if cell in kept and cell not in chosen)
