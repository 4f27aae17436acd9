"""Says why a queued job has not started, from what the engine said last; pure."""

from __future__ import annotations

from collections.abc import Sequence

from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.grid.states import JobStatus, State
from tuilab.grid.text import count_of


def why_not_yet(engine: EngineView, status: JobStatus) -> str:
    """Say why a job that is asked for has not begun: what holds it, or what it waits for."""
    if status.held:
        return held_words(status.held)
    if status.state is State.QUEUED:
        return why_queued(engine, status.stage, given_to=status.given_to)
    return status.detail


def why_queued(engine: EngineView, stage: str | None, held: str = "", given_to: str = "") -> str:
    """Return one sentence for a queued job of a stage; ``held`` is its own reason, if it has one.

    Names what is in the way: a person, a pause and by whom, no engine, no go, the disk, who holds
    the GPU, no device, or which jobs are on the slots. ``given_to`` is the worker that has it.
    """
    if held:
        return held
    if told := next_on(engine, given_to):
        return told
    if engine.copy_of:
        return engine.note
    if engine.state is EngineState.STOPPED:
        paused = f", and the grid is paused ({engine.pause})" if engine.pause else ""
        return f"no engine runs{paused}: tuilab run starts one"
    if engine.state is EngineState.UNKNOWN:
        return engine.note or "the engine's state is not known"
    of_stage = "" if given_to else engine.queued_stages.get(stage or "")
    if engine.state is EngineState.RUNNING and of_stage:
        return of_stage
    busy = f"all {engine.workers} slots are busy" if engine.workers > 1 else "the slot is busy"
    return engine.queued or engine.note or busy


def next_on(engine: EngineView, given_to: str) -> str:
    """Say which worker begins a job next, engine or not; "" when none has it, or nothing begins."""
    if not given_to or engine.is_still or engine.pause or engine.state is EngineState.UNKNOWN:
        return ""
    name = given_to.partition("-")[0]
    if engine.state is EngineState.RUNNING and given_to in engine.starting:
        return f"worker {name} starts: it loads its libraries"
    return f"next on worker {name}"


def workers_pending(whys: Sequence[str]) -> str:
    """Say how many workers wait at their place, and the first reason that is known."""
    why = next(filter(None, whys), "")
    return f"{count_of(len(whys), 'worker')} pending{': ' * bool(why)}{why}"


def held_words(held: str) -> str:
    """Say that a job is held and why; the engine's own words may begin with it."""
    return held if held.startswith("held") else f"held: {held}"
