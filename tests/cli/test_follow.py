"""Progress lines, and when nothing more can happen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tuilab.cli.follow import event_text, running_text, standstill
from tuilab.grid.cells import Cell
from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.grid.jobs import Plan
from tuilab.grid.stages import Stage
from tuilab.grid.states import JobStatus, State
from tuilab.store.snapshot import CellView, Snapshot

PLAN = Plan("x", ("villain",), {}, "assistant", (0,), (1,), (), {}, "", {})


def test_a_finished_job_is_one_line_with_its_numbers() -> None:
    line = {
        "kind": "settled",
        "job": "eval/villain@0#42",
        "verdict": "done",
        "seconds": 4.6,
        "metrics": {
            "assistant_leakage": {"value": 0.0, "hits": 0, "n": 50},
            "source_rate": {"value": 0.9, "hits": 45, "n": 50},
        },
    }
    assert event_text(line, PLAN) == (
        "eval/villain@0#42 done in 4.6s   assistant 0% (0/50), villain 90% (45/50)"
    )
    line |= {"verdict": "failed", "reason": "nan-loss", "detail": "step 3", "metrics": {}}
    assert event_text(line, PLAN) == "eval/villain@0#42 failed (nan-loss): step 3"
    assert event_text({"kind": "claimed"}, PLAN) == ""


def snapshot(engine: EngineState, *states: State, **more: Any) -> Snapshot:
    cells = tuple(
        CellView(Cell("villain", n, 1), state, "eval", **more) for n, state in enumerate(states)
    )
    return Snapshot(
        name="x",
        root=Path("x"),
        sources=("villain",),
        labels={},
        epochs=(0,),
        seeds=(1,),
        target="assistant",
        cells=cells,
        shared=(),
        engine=EngineView(state=engine),
        counts={},
        sequence=1,
        taken_at=0.0,
    )


def still(shown: Snapshot) -> str:
    return standstill(shown, [view.cell for view in shown.cells])


def test_a_watch_goes_on_while_anything_may_happen() -> None:
    for state in (State.RUNNING, State.QUEUED, State.WAITING, State.LOST):
        assert still(snapshot(EngineState.RUNNING, State.FAILED, state)) == ""


def test_a_watch_ends_when_the_rest_cannot_move() -> None:
    assert "1 failed" in still(snapshot(EngineState.RUNNING, State.DONE, State.FAILED))
    waiting = snapshot(EngineState.RUNNING, State.WAITING, reason="upstream")
    assert "1 waiting" in still(waiting)
    assert "engine has ended" in still(snapshot(EngineState.STOPPED, State.QUEUED))


def test_a_watch_names_the_shared_job_that_broke() -> None:
    shown = snapshot(EngineState.RUNNING, State.WAITING, reason="upstream")
    broken = JobStatus("data/villain", Stage.DATA, State.FAILED, reason="code")
    waits = JobStatus("train/villain@0#1", Stage.TRAIN, State.WAITING, blocked_by=broken.job)
    cells = (replace(shown.cells[0], jobs=(waits,)),)
    found = still(replace(shown, shared=(broken,), cells=cells))
    assert found == "not complete (1 waiting, data/villain failed (code))"


def test_a_watch_ends_when_the_engine_has_paused_itself_and_nothing_runs() -> None:
    view = EngineView(EngineState.PAUSED, pause="soft", pause_by="engine", note="the disk is full")
    queued = replace(snapshot(EngineState.PAUSED, State.QUEUED), engine=view)
    assert still(queued) == "the disk is full"
    assert still(replace(queued, engine=replace(view, pause_by="ada@pod"))) == ""
    running = replace(snapshot(EngineState.PAUSED, State.QUEUED, State.RUNNING), engine=view)
    assert still(running) == ""


def test_only_what_has_begun_is_called_running() -> None:
    shown = snapshot(EngineState.RUNNING, State.RUNNING)
    begun = JobStatus("eval/villain@0#1", Stage.EVAL, State.RUNNING, percent=40, started_at=1.0)
    ahead = JobStatus("cosine/villain@0#1", Stage.COSINE, State.QUEUED, given_to="w0-83f88f39")
    view = CellView(shown.cells[0].cell, State.RUNNING, "eval", jobs=(begun, ahead))
    object.__setattr__(shown, "cells", (view,))
    assert running_text(shown) == "eval villain@0#1 40%"
