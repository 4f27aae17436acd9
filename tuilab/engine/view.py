"""Tells readers what the engine is doing and why nothing starts; pure."""

from __future__ import annotations

from tuilab.engine.facts import Facts, Phase
from tuilab.engine.placing import IN_USE, why_not_here, why_nothing_starts
from tuilab.store.snapshot import EngineState, EngineView, Meter


def describe(
    facts: Facts, pause_why: str, eta: float | None, meter: Meter, history: tuple[Meter, ...]
) -> EngineView:
    """Return the engine's view of itself for the heartbeat."""
    return EngineView(
        state=_state(facts),
        note=note(facts, pause_why),
        pause=facts.ledger.pause,
        workers=len(facts.slots),
        eta_seconds=eta,
        meter=meter,
        history=history,
    )


def note(facts: Facts, pause_why: str = "") -> str:
    """Say in one sentence what keeps work from starting, or what else a person should know."""
    if facts.ledger.pause == "hard":
        return "paused (hard): running jobs are suspended and keep their memory until resumed"
    if facts.ledger.pause:
        return f"paused: {pause_why}" if pause_why else "paused: nothing new starts"
    if facts.ready and (why := why_nothing_starts(facts) or why_not_here(facts)):
        return why
    if stalled := [attempt.job for attempt in facts.attempts if attempt.is_called_stalled]:
        return f"stalled: {', '.join(stalled[:3])} has been silent for long; x stops it"
    return _blocked_slot(facts) if facts.ready else ""


def _blocked_slot(facts: Facts) -> str:
    used = {worker.slot for worker in facts.workers if worker.phase in IN_USE}
    blocked = [s.blocked for s in facts.slots if s.blocked and s.index not in used]
    if blocked:
        return blocked[0]
    foreign = [worker.id for worker in facts.workers if worker.phase is Phase.FOREIGN]
    return f"worker {foreign[0]} is on another host: it cannot be seen from here" if foreign else ""


def _state(facts: Facts) -> EngineState:
    if facts.ledger.pause:
        return EngineState.PAUSED
    return EngineState.RUNNING if facts.ledger.go else EngineState.WAITING
