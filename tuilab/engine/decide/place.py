"""Decides which ready job goes to which worker or free slot; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from tuilab.engine.decide.actions import Action, Assign, Launch
from tuilab.engine.decide.facts import Facts, Slot, Worker
from tuilab.engine.decide.gpu_sharing import neighbours, why_not_beside
from tuilab.engine.decide.limits import within_limit
from tuilab.engine.decide.phase import IN_USE, Phase
from tuilab.grid.ledger import HUB, Ledger
from tuilab.grid.limits import LIMIT
from tuilab.grid.text import size

MARGIN_SECONDS = 180.0
"""A job must end so long before its worker is taken away: the warning comes two minutes before."""


def why_nothing_starts(facts: Facts) -> str:
    """Say what keeps ready jobs from starting, whatever slot is free; "" when nothing does."""
    if facts.ledger.pause:
        return why_paused(facts.ledger)
    if not facts.ledger.go:
        return "waiting to be resumed: `tuilab run` continues the queued work"
    if facts.disk.problem:
        return f"disk: {facts.disk.problem}"
    if facts.disk.free < facts.policy.reserve_bytes:
        return (
            f"disk: {size(facts.disk.free)} free is below the reserve of "
            f"{size(facts.policy.reserve_bytes)}; tuilab gc --dry-run lists leftovers"
        )
    return ""


def why_paused(ledger: Ledger) -> str:
    """Say who paused the grid and what that means."""
    if ledger.pause_by == HUB:
        return f"waiting for {HUB}: {ledger.pause_why}; it goes on by itself"
    if ledger.pause_by == LIMIT:
        return f"paused: {ledger.pause_why}; `tuilab run` or resume continues"
    who = f" by {ledger.pause_by}" if ledger.pause_by else ""
    if ledger.pause == "hard":
        what = "running jobs are suspended and keep their memory until resumed"
        return f"paused (hard){who}: {what}"
    return f"paused{who}: {ledger.pause_why or 'nothing new starts until someone resumes'}"


def why_too_large(facts: Facts, job: str, left: int) -> str:
    """Say that a job needs more disk than is left; "" when it does not."""
    need = facts.disk.needs.get(job, 0)
    if need <= left:
        return ""
    return (
        f"disk: {job} needs about {size(need)}; after running jobs and the reserve of "
        f"{size(facts.policy.reserve_bytes)} only {size(max(0, left))} are left"
    )


def room(facts: Facts) -> int:
    """Return the bytes that a new attempt may take: free, less the reserve and what runs."""
    promised = sum(facts.disk.needs.get(attempt.job, 0) for attempt in facts.attempts)
    return facts.disk.free - promised - facts.policy.reserve_bytes


def why_not_here(facts: Facts) -> str:
    """Say why the first ready job does not fit although others may; "" when it does."""
    return why_too_large(facts, facts.ready[0], room(facts)) if facts.ready else ""


def place(facts: Facts) -> list[Action]:
    """Fetch what is missing, feed idle workers, fill free slots, then give busy workers their next.

    The next job is given early: before the worker asks for it.
    """
    if not facts.ready or why_nothing_starts(facts):
        return []
    left = room(facts)
    candidates = [job for job in facts.ready if facts.disk.needs.get(job, 0) <= left]
    candidates = list(within_limit(facts, candidates))
    taken: set[str] = set()
    settled: set[str] = set()
    actions: list[Action] = []
    for base in facts.absent_bases:
        if base in candidates:  # a download takes no GPU, and waits for none
            taken.add(base)
            actions.append(Launch(None, base))
    for worker in _idle(facts):
        slot = _slot_of(facts, worker)
        if job := _best(facts, worker, _fitting(facts, slot, worker, candidates, settled), taken):
            taken.add(job)
            settled |= _shared(facts, slot)
            actions.append(Assign(job, worker.id))
    late = _late_starts(facts, [job for job in candidates if job not in taken])
    for slot in _free(facts):
        if slot.is_late:
            if late > 0:
                late -= 1
                actions.append(Launch(slot.index))
            continue
        if job := _best(facts, None, _fitting(facts, slot, None, candidates, settled), taken):
            taken.add(job)
            settled |= _shared(facts, slot)
            actions.append(Launch(slot.index, job))
    if facts.ledger.limit:
        return actions[:1]  # what is left for the next is weighed after it
    return [*actions, *_ahead(facts, candidates, taken, settled)]


def _late_starts(facts: Facts, jobs: Sequence[str]) -> int:
    """How many more workers to ask for where they may come late: one for each job that has none."""
    coming = sum(worker.phase in (Phase.PENDING, Phase.STARTING) for worker in facts.workers)
    return len(jobs) - coming


def in_time(facts: Facts, worker: Worker, jobs: Sequence[str]) -> Sequence[str]:
    """Return the jobs that would end before a worker's place takes it away."""
    left = worker.seconds_left
    if left is None:
        return jobs
    return [job for job in jobs if facts.seconds.get(job, 0.0) + MARGIN_SECONDS <= left]


def _fitting(
    facts: Facts,
    slot: Slot | None,
    worker: Worker | None,
    candidates: Sequence[str],
    settled: set[str],
) -> Sequence[str]:
    """Return the jobs that fit on a slot's device beside what is on it.

    A device that several workers share takes one job a round (``settled``): the next decision
    sees it.
    """
    if worker is not None:
        candidates = in_time(facts, worker, candidates)
    if slot is None or slot.device in settled:
        return candidates if slot is None else ()
    if not neighbours(facts, slot, worker):
        return candidates
    return [job for job in candidates if not why_not_beside(facts, slot, worker, job)]


def _shared(facts: Facts, slot: Slot | None) -> set[str]:
    """Return the slot's device if others may share it."""
    if slot is None or slot.device is None:
        return set()
    return {slot.device} if sum(one.device == slot.device for one in facts.slots) > 1 else set()


def _slot_of(facts: Facts, worker: Worker) -> Slot | None:
    return next((slot for slot in facts.slots if slot.index == worker.slot), None)


def _idle(facts: Facts) -> list[Worker]:
    """Workers with nothing to do; those that have something warm for a ready job come first."""
    found = [w for w in _open_workers(facts) if not w.queue]
    return sorted(found, key=lambda worker: (worker.last_job == "", worker.slot))


def _open_workers(facts: Facts) -> list[Worker]:
    late = {slot.index for slot in facts.slots if slot.is_late}
    return [
        worker
        for worker in facts.workers
        if (worker.phase is Phase.ALIVE or _is_coming_here(worker, late))
        and worker.takes_work
        and not worker.is_suspended
        and worker.slot < len(facts.slots)
    ]


def _is_coming_here(worker: Worker, late: Set[int]) -> bool:
    return worker.phase is Phase.STARTING and worker.slot not in late


def _free(facts: Facts) -> list[Slot]:
    used = {worker.slot for worker in facts.workers if worker.phase in IN_USE}
    return [slot for slot in facts.slots if slot.index not in used and not slot.blocked]


def _ahead(
    facts: Facts, candidates: Sequence[str], taken: set[str], settled: set[str]
) -> Iterator[Action]:
    """Assign one job early to each busy worker, unless another slot could want it.

    A worker whose running job unlocks something that comes before the candidate waits for that.
    """
    left = [job for job in candidates if job not in taken]
    if not facts.policy.assign_ahead or len(left) < len(facts.slots):
        return
    for worker in _open_workers(facts):
        if len(worker.queue) != 1 or worker.phase is not Phase.ALIVE:
            continue
        slot = _slot_of(facts, worker)
        job = _best(facts, worker, _fitting(facts, slot, worker, candidates, settled), taken)
        if job and not _unlocks_sooner(facts, worker.queue[0], job):
            taken.add(job)
            settled |= _shared(facts, slot)
            yield Assign(job, worker.id)


def _unlocks_sooner(facts: Facts, running: str, candidate: str) -> bool:
    """Whether a child of the running job is due that stands before the candidate in the plan."""
    front = facts.ledger.order
    if candidate in front:
        return False
    at = facts.places.get(candidate, 0)
    return any(
        facts.ledger.of(child).is_due and (child in front or facts.places.get(child, 0) < at)
        for child in facts.plan.children.get(running, ())
    )


def _best(
    facts: Facts, worker: Worker | None, candidates: Sequence[str], taken: set[str]
) -> str | None:
    """Return the job that suits a worker (None = a new one) best: the first of the nearest."""
    warm = _source(facts, worker.last_job) if worker is not None else None
    owned = {
        _source(facts, other.last_job)
        for other in facts.workers
        if other is not worker and other.last_job and other.phase in IN_USE
    }
    front = {job: place for place, job in enumerate(facts.ledger.order)}
    best: tuple[tuple[int, int], str] | None = None
    for job in candidates:
        if job in taken:
            continue
        key = (front.get(job, len(front)), _distance(facts, worker, job, warm, owned))
        if best is None or key < best[0]:
            best = (key, job)
        if best[0] == (0, 0):
            break
    return best[1] if best else None


def _distance(
    facts: Facts, worker: Worker | None, job: str, warm: str | None, owned: set[str | None]
) -> int:
    """How far a job is from what a worker has warm: 0 its own cell, 1 its source, 2 free, 3 not."""
    source = facts.plan.by_id[job].source
    if worker is not None and source == warm:
        return 0 if _served_the_cell(facts, worker, job) else 1
    return 3 if source in owned else 2


def _served_the_cell(facts: Facts, worker: Worker, job: str) -> bool:
    """Whether an earlier stage of the job's own cell was made by this worker."""
    planned = facts.plan.by_id[job]
    if planned.cell is None:
        return False
    for name in planned.parents:
        done = facts.ledger.of(name).last_done
        is_mine = done is not None and done.worker == worker.id
        if is_mine and facts.plan.by_id[name].cell == planned.cell:
            return True
    return False


def _source(facts: Facts, job: str) -> str | None:
    """Return the persona of a job; None for one that the plan no longer has."""
    known = facts.plan.by_id.get(job)
    return known.source if known is not None else None
