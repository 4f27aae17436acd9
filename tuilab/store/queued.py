"""Says why a queued job has not started, from what the engine said last; pure."""

from __future__ import annotations

from tuilab.store.snapshot import EngineState, EngineView


def why_queued(engine: EngineView, stage: str | None, held: str = "") -> str:
    """Return one sentence for a queued job of a stage; ``held`` is its own reason, if it has one.

    Names what is in the way: a person, a pause and by whom, no engine, no go, the disk, who holds
    the GPU, no device, or which jobs are on the slots.
    """
    if held:
        return held
    if engine.state is EngineState.STOPPED:
        paused = f", and the grid is paused ({engine.pause})" if engine.pause else ""
        return f"no engine runs{paused}: tuilab run starts one"
    if engine.state is EngineState.UNKNOWN:
        return engine.note or "nothing is known of the engine"
    of_stage = engine.queued_stages.get(stage or "")
    if engine.state is EngineState.RUNNING and of_stage:
        return of_stage
    return engine.queued or engine.note or f"all {engine.workers or 1} slots are busy"


def held_words(held: str) -> str:
    """Say that a job is held and why; the engine's own words may begin with it."""
    return held if held.startswith("held") else f"held: {held}"
