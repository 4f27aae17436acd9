"""Tells readers what the engine is doing and why nothing starts; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuilab.engine.decide.assign import room, why_nothing_starts, why_paused, why_too_large
from tuilab.engine.decide.facts import Facts, Worker
from tuilab.engine.decide.gpu_sharing import why_not_beside
from tuilab.engine.decide.limits import what_is_left, why_drained
from tuilab.engine.decide.phase import IN_USE, Phase
from tuilab.grid.engine_view import EngineState, EngineView, Meter
from tuilab.grid.text import duration, list_of
from tuilab.grid.why_queued import workers_pending


def describe(
    facts: Facts, eta: float | None, meter: Meter, history: tuple[Meter, ...]
) -> EngineView:
    """Return the engine's view of itself for the heartbeat."""
    return EngineView(
        state=_state(facts),
        note=note(facts) or fetching(facts),
        pause=facts.ledger.pause,
        workers=len(facts.slots),
        eta_seconds=eta,
        meter=meter,
        history=history,
        queued=why_queued(facts),
        queued_stages=why_stages_wait(facts),
        machines=machines(facts),
        is_still=bool(why_nothing_starts(facts)),
        starting=tuple(worker.id for worker in facts.workers if _loads(worker)),
        sequence=facts.ledger.sequence,
        limit=what_is_left(facts),
    )


def _loads(worker: Worker) -> bool:
    return worker.phase in (Phase.STARTING, Phase.ALIVE) and not worker.has_served


def note(facts: Facts) -> str:
    """Say in one sentence what keeps work from starting, or what else a person should know."""
    if facts.ledger.pause:
        return why_paused(facts.ledger)
    may_begin = facts.ready or facts.unbegun
    if may_begin and (why := why_nothing_starts(facts)):
        return why
    if facts.ready and (why := why_too_large(facts, facts.ready[0], room(facts))):
        return why
    if why := why_drained(facts):
        return why
    if stalled := [attempt.job for attempt in facts.attempts if attempt.is_called_stalled]:
        return f"stalled: {', '.join(stalled[:3])} has been silent for long; x stops it"
    if unheard := why_silent(facts) or why_unheard(facts):
        return unheard
    return (_blocked_slot(facts) or why_pending(facts) or _elsewhere(facts)) if facts.ready else ""


def fetching(facts: Facts) -> str:
    """Say how far the base is that is being fetched; "" when none is."""
    for attempt in facts.attempts:
        if attempt.transfer is not None and attempt.ending is None:
            return f"{attempt.job}: {attempt.transfer}"
    return ""


def why_queued(facts: Facts) -> str:
    """Say why a job that may run does not: what holds all of them, or what the slots are busy with.

    "" when nothing is ready, and nothing that was given to a worker is kept from beginning.
    """
    if not facts.ready:
        return why_nothing_starts(facts) if facts.unbegun else ""
    return (
        why_nothing_starts(facts)
        or why_drained(facts)
        or _blocked_slot(facts)
        or why_pending(facts)
        or _busy(facts)
        or "starts next"
    )


def why_stages_wait(facts: Facts) -> dict[str, str]:
    """Return why jobs of a stage do not fit now although others may, by stage."""
    left, found = room(facts), dict[str, str]()
    for job in facts.ready:
        stage = facts.plan.by_id[job].stage.value
        if stage not in found and (why := why_too_large(facts, job, left)):
            found[stage] = why
    return found


def _busy(facts: Facts) -> str:
    used = {worker.slot: worker for worker in facts.workers if worker.phase in IN_USE}
    free = [slot for slot in facts.slots if slot.index not in used]
    if free:
        why = [why_not_beside(facts, slot, None, facts.ready[0]) for slot in free]
        return why[0] if all(why) else ""
    at_work = [used[slot.index] for slot in facts.slots]
    names = [job for worker in at_work if (job := facts.present_job(worker))]
    if not names:
        return "no free slot: a worker is being started or ended"
    return f"no free slot: {list_of(names, 2)} running"


def _blocked_slot(facts: Facts) -> str:
    used = {worker.slot for worker in facts.workers if worker.phase in IN_USE}
    blocked = [s.blocked for s in facts.slots if s.blocked and s.index not in used]
    return blocked[0] if blocked else ""


def _elsewhere(facts: Facts) -> str:
    foreign = [worker.id for worker in facts.workers if worker.phase is Phase.FOREIGN]
    return f"worker {foreign[0]} is on another host: it cannot be seen from here" if foreign else ""


def _state(facts: Facts) -> EngineState:
    if facts.ledger.pause:
        return EngineState.PAUSED
    return EngineState.RUNNING if facts.ledger.go else EngineState.WAITING


def machines(facts: Facts) -> tuple[Mapping[str, Any], ...]:
    """Return what readers are shown of each worker that is elsewhere, or waits to be there."""
    late = {slot.index for slot in facts.slots if slot.is_late}
    return tuple(
        {
            "worker": worker.id,
            "host": worker.host,
            "phase": worker.phase.value,
            "job": facts.present_job(worker),
            "silent_seconds": round(worker.silent_seconds),
            "seconds_left": worker.seconds_left,
            "why": worker.why,
            "devices": list(worker.devices),
        }
        for worker in facts.workers
        if worker.phase in IN_USE and (worker.slot in late or worker.silent_seconds > 0.0)
    )


def why_silent(facts: Facts) -> str:
    """Name the workers of which nothing is heard; "" when all are heard."""
    silent = [worker for worker in facts.workers if worker.phase is Phase.SILENT]
    if not silent:
        return ""
    who = list_of([worker.host or worker.id for worker in silent], 2)
    longest = max(worker.silent_seconds for worker in silent)
    return f"no sign of {who} for {duration(longest)}: what runs there is not begun again"


def why_unheard(facts: Facts) -> str:
    """Say that the place of workers that live does not answer; "" when it does."""
    alive = (worker for worker in facts.workers if worker.phase is Phase.ALIVE)
    why = next((worker.why for worker in alive if worker.is_unheard), "")
    return f"{why}; what runs there continues" if why else ""


def why_pending(facts: Facts) -> str:
    """Say how many workers wait at their place, and why; "" when none does."""
    waiting = [worker.why for worker in facts.workers if worker.phase is Phase.PENDING]
    return workers_pending(waiting) if waiting else ""
