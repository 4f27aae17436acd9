"""Decides which ready job goes to which worker or free slot; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tuilab.engine.decide.actions import Action, Assign, Launch
from tuilab.engine.decide.facts import Facts, Slot, Worker
from tuilab.engine.decide.gpu_sharing import neighbours, why_not_beside
from tuilab.engine.decide.limits import within_limit
from tuilab.engine.decide.nearest import Choice
from tuilab.engine.decide.phase import IN_USE, Phase
from tuilab.grid.ledger import HUB, Ledger
from tuilab.grid.limits import LIMIT
from tuilab.grid.text import size

MARGIN_SECONDS = 180.0
"""A job must end so long before its worker is taken away: the warning comes two minutes before."""
_RESUME = "`tuilab resume` continues"


def why_nothing_starts(facts: Facts) -> str:
    """Say what keeps ready jobs from starting, whatever slot is free; "" when nothing does."""
    if facts.ledger.pause:
        return why_paused(facts.ledger)
    if not facts.ledger.go:
        return "waiting to be resumed: `tuilab run` continues the queued work"
    if facts.code_problem:
        return facts.code_problem
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
        return f"waiting for {HUB}: {ledger.pause_why}; it continues by itself"
    if ledger.pause_by == LIMIT:
        return f"paused: {ledger.pause_why}; `tuilab run` or resume continues"
    who = f" by {ledger.pause_by}" if ledger.pause_by else ""
    if ledger.pause == "hard":
        return f"paused (hard){who}: running jobs are suspended and keep their memory; {_RESUME}"
    return f"paused{who}: {ledger.pause_why or 'nothing new starts'}; {_RESUME}"


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


def assign_jobs(facts: Facts) -> list[Action]:
    """Fetch what is missing, feed idle workers, fill free slots, then give busy workers their next.

    The next job is given early: before the worker asks for it.
    """
    if not facts.ready or why_nothing_starts(facts):
        return []
    left = room(facts)
    candidates = [job for job in facts.ready if facts.disk.needs.get(job, 0) <= left]
    candidates = list(within_limit(facts, candidates))
    choice = Choice(facts, candidates)
    settled: set[str] = set()
    actions: list[Action] = []
    slots = {slot.index: slot for slot in facts.slots}
    for base in facts.absent_bases:
        if base in choice:  # a download takes no GPU, and waits for none
            choice.take(base)
            actions.append(Launch(None, base))
    for worker in _idle(facts):
        slot = slots.get(worker.slot)
        if job := _take(facts, choice, slot, worker, settled):
            actions.append(Assign(job, worker.id))
    coming = sum(one.phase in (Phase.PENDING, Phase.STARTING) for one in facts.workers)
    late = len(choice) - coming  # workers that may come late: one for each job that has none
    for slot in _free(facts):
        if slot.is_late:
            if late > 0:
                late -= 1
                actions.append(Launch(slot.index))
        elif job := _take(facts, choice, slot, None, settled):
            actions.append(Launch(slot.index, job))
    if facts.ledger.limit:
        return actions[:1]  # what is left for the next is weighed after it
    return [*actions, *_ahead(facts, choice, slots, settled)]


def in_time(facts: Facts, worker: Worker, job: str) -> bool:
    """Whether a job would end before a worker's place takes it away.

    A new worker takes one that no worker's time is enough for: the next goes on where it was.
    """
    left = worker.seconds_left
    if left is None or facts.seconds.get(job, 0.0) + MARGIN_SECONDS <= left:
        return True
    is_new = not worker.has_served and worker.idle_seconds < MARGIN_SECONDS
    return is_new and left > MARGIN_SECONDS


def _take(
    facts: Facts,
    choice: Choice,
    slot: Slot | None,
    worker: Worker | None,
    settled: set[str],
    after: str = "",
) -> str | None:
    """Take the job that suits a worker (None = a new one) in a slot best, beside what is there.

    None is taken early, ``after`` what the worker runs, if that unlocks something sooner.

    A device that several workers share takes one job a round (``settled``): the next decision
    sees it.
    """
    if slot is not None and slot.device in settled:
        return None
    beside = slot if slot is not None and neighbours(facts, slot, worker) else None

    def fits(job: str) -> bool:
        if worker is not None and not in_time(facts, worker, job):
            return False
        return beside is None or not why_not_beside(facts, beside, worker, job)

    job = choice.nearest(worker, fits)
    if after and job is not None and _unlocks_sooner(facts, after, job):
        return None
    if job is not None:
        choice.take(job)
        settled |= _shared(facts, slot)
    return job


def _shared(facts: Facts, slot: Slot | None) -> set[str]:
    """Return the slot's device if others may share it."""
    if slot is None or slot.device is None:
        return set()
    return {slot.device} if sum(one.device == slot.device for one in facts.slots) > 1 else set()


def _idle(facts: Facts) -> list[Worker]:
    """Workers with nothing to do; those that have something warm for a ready job come first."""
    found = [w for w in _open_workers(facts) if not w.queue]
    return sorted(found, key=lambda worker: (worker.last_job == "", worker.slot))


def _open_workers(facts: Facts) -> list[Worker]:
    late = {slot.index for slot in facts.slots if slot.is_late}
    return [
        worker
        for worker in facts.workers
        if (
            worker.phase is Phase.ALIVE
            or (worker.phase is Phase.STARTING and worker.slot not in late)
        )
        and worker.takes_work
        and not worker.is_of_other_code
        and not worker.is_suspended
        and worker.slot < len(facts.slots)
    ]


def _free(facts: Facts) -> list[Slot]:
    used = {worker.slot for worker in facts.workers if worker.phase in IN_USE}
    return [slot for slot in facts.slots if slot.index not in used and not slot.blocked]


def _ahead(
    facts: Facts, choice: Choice, slots: Mapping[int, Slot], settled: set[str]
) -> Iterator[Action]:
    """Assign one job early to each busy worker, unless another slot could want it.

    A worker whose running job unlocks something that comes before the candidate waits for that.
    """
    if not facts.policy.assign_ahead or len(choice) < len(facts.slots):
        return
    for worker in _open_workers(facts):
        if len(worker.queue) != 1 or worker.phase is not Phase.ALIVE:
            continue
        running = worker.queue[0]
        if job := _take(facts, choice, slots.get(worker.slot), worker, settled, after=running):
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
