"""Decides what workers need apart from jobs: fencing, ending, suspending, closing; pure."""

from __future__ import annotations

from collections.abc import Iterator

from tuilab.engine.decide.actions import (
    Action,
    Close,
    EndTree,
    HoldBack,
    Pause,
    Retire,
    StopWorker,
    Suspend,
)
from tuilab.engine.decide.assign import MARGIN_SECONDS, in_time, why_nothing_starts
from tuilab.engine.decide.facts import Facts, Worker
from tuilab.engine.decide.gpu_sharing import stands_in_the_way
from tuilab.engine.decide.phase import IN_USE, Phase
from tuilab.grid.text import duration

SHIM_MARGIN = 10.0
"""Seconds that a shim has, beyond the grace, to end its tree."""
_MAY_BEGIN = frozenset({Phase.STARTING, Phase.ALIVE, Phase.FOREIGN})
"""Phases in which a runner may look at its inbox."""
_MAY_COME = frozenset({Phase.PENDING, Phase.STARTING, Phase.ALIVE})
LEAST_SECONDS = 2 * MARGIN_SECONDS
"""A shorter wall time is mostly spent on leaving, and the next submission would follow at once."""
FAILED_STARTS = 3
"""So many workers in a row that ended before they began anything pause the grid."""


def keep_up(facts: Facts) -> Iterator[Action]:
    """Yield what the workers ask for."""
    yield from _hold_back(facts)
    short_lived = _short_lived(facts)
    for worker in facts.workers:
        if worker in short_lived:
            yield _ended_early(worker)
        elif worker.phase is Phase.UNBORN:
            yield Retire(worker.id)
        elif worker.phase is Phase.PENDING and worker.stop is None and _is_idle_pilot(facts):
            yield StopWorker(worker.id, (), "the engine: nothing is left for it")
        elif worker.phase is Phase.ORPHANED:
            yield from _end_orphans(worker, facts.policy.grace_seconds)
        elif worker.phase is Phase.ALIVE:
            yield from _mind(facts, worker)
    if short_lived and not facts.ledger.pause:
        yield Pause(f"{max(why_too_short(one.wall_seconds) for one in short_lived)}, then resume")
    elif facts.failed_starts >= FAILED_STARTS and not facts.ledger.pause:
        yield Pause(
            f"{facts.failed_starts} workers in a row ended before they began anything: "
            f"{facts.failed_why or 'nobody says why'}; fix the cause, then resume"
        )


def _hold_back(facts: Facts) -> Iterator[Action]:
    """What keeps ready jobs from starting keeps those in the inboxes from beginning.

    Before all else: a worker that wakes from a hard pause must not find the hold still there.
    """
    is_still = bool(why_nothing_starts(facts))
    owing = {attempt.worker for attempt in facts.unbegun}
    for worker in facts.workers:
        if worker.phase not in _MAY_BEGIN or worker.stop is not None:
            continue
        if is_still and worker.id in owing and not worker.is_held_back:
            yield HoldBack(worker.id, on=True)
        elif worker.is_held_back and not is_still:
            yield HoldBack(worker.id, on=False)


def _short_lived(facts: Facts) -> list[Worker]:
    """Workers whose whole wall time is too short to be of use: others like them would follow.

    Those of the same submissions whose wall time is not told yet are among them.
    """
    here = [worker for worker in facts.workers if worker.phase in _MAY_COME and worker.takes_work]
    if not any(why_too_short(worker.wall_seconds) for worker in here):
        return []
    late = {slot.index for slot in facts.slots if slot.is_late}
    return [
        worker
        for worker in here
        if why_too_short(worker.wall_seconds)
        or (worker.wall_seconds is None and worker.slot in late and not worker.has_served)
    ]


def _ended_early(worker: Worker) -> Action:
    """End a worker of too short a wall time, after what it is on."""
    if worker.phase is Phase.ALIVE:
        return Close(worker.id, "its wall time is too short")
    return StopWorker(worker.id, (), "the engine: its wall time is too short")


def why_too_short(wall_seconds: float | None) -> str:
    """Say why workers with this wall time are of no use; "" when they are, or it has no end."""
    if wall_seconds is None or wall_seconds >= LEAST_SECONDS:
        return ""
    return (
        f"workers are given {duration(wall_seconds)} each, and the last "
        f"{duration(MARGIN_SECONDS)} are kept for saving: ask for at least "
        f"{duration(LEAST_SECONDS)}, better for hours"
    )


def _is_idle_pilot(facts: Facts) -> bool:
    """Whether a worker that still waits for its turn has nothing to come for."""
    if facts.ready:
        return False
    return not any(facts.ledger.of(job).is_due for job in facts.plan.places)


def _end_orphans(worker: Worker, grace: float) -> Iterator[Action]:
    """Ask once, then insist; a worker that was being stopped has had its grace."""
    waited = worker.orphaned_seconds
    has_had_it = worker.stop is not None and worker.stop_seconds > grace
    if has_had_it or (waited is not None and waited > grace):
        yield EndTree(worker.id, force=True)
    elif waited is None:
        yield EndTree(worker.id)


def _mind(facts: Facts, worker: Worker) -> Iterator[Action]:
    is_hard = facts.ledger.pause == "hard"
    if worker.stop is not None:
        if worker.stop_seconds > facts.policy.grace_seconds + SHIM_MARGIN:
            yield EndTree(worker.id, force=True)
        return
    if is_hard and not worker.is_suspended:
        yield Suspend(worker.id, on=True)
    elif worker.is_suspended and not is_hard:
        yield Suspend(worker.id, on=False)
    elif why := _why_close(facts, worker):
        yield Close(worker.id, why)


def _why_close(facts: Facts, worker: Worker) -> str:
    """Say why an idle worker should leave; "" when it should not."""
    if worker.queue or not worker.takes_work or worker.is_suspended:
        return ""
    if worker.slot >= len(facts.slots):
        return "there is no slot for it any more"
    if worker.is_of_other_code:
        return "the runner code has changed since it came up"
    if stands_in_the_way(facts, worker):
        return "what is ready does not fit on its GPU beside the others"
    if worker.idle_seconds > facts.policy.idle_seconds:
        return "it was idle for long"
    return _why_too_late(facts, worker)


def _why_too_late(facts: Facts, worker: Worker) -> str:
    """Say that an idle worker's time is too short for all that is ready; "" when it is not."""
    left = worker.seconds_left
    if left is None or not facts.ready:
        return ""
    if any(in_time(facts, worker, job) for job in facts.ready):
        return ""
    job = min(facts.ready, key=lambda job: facts.seconds.get(job, 0.0))
    needed = duration(facts.seconds.get(job, 0.0))
    return (
        f"the {duration(left)} that it has are too short for {job} ({needed}, and "
        f"{duration(MARGIN_SECONDS)} to spare)"
    )


def may_leave(facts: Facts, idle_seconds: float) -> bool:
    """Whether the engine itself may end: nothing runs, nothing is due, for long enough."""
    return is_idle(facts) and idle_seconds > facts.policy.engine_idle_seconds


def is_idle(facts: Facts) -> bool:
    """Whether nothing runs, and nothing is due that could."""
    busy = facts.attempts or any(w.queue for w in facts.workers if w.phase in IN_USE)
    waits = facts.ready and (facts.ledger.go or facts.ledger.pause)
    return not (busy or waits)
