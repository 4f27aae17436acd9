"""Tells readers what the engine is doing and why nothing starts; pure."""

from __future__ import annotations

from tuilab.engine.decide.assign import room, why_nothing_starts, why_paused, why_too_large
from tuilab.engine.decide.facts import Facts
from tuilab.engine.decide.gpu_sharing import why_not_beside
from tuilab.engine.decide.limits import what_is_left, why_drained
from tuilab.engine.decide.machines import machines, why_pending, why_silent, why_unheard
from tuilab.engine.decide.phase import IN_USE, Phase
from tuilab.grid.engine_view import EngineState, EngineView, Meter
from tuilab.grid.text import list_of


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
        sequence=facts.ledger.sequence,
        limit=what_is_left(facts),
    )


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
