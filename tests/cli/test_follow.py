"""Progress lines, and when nothing more can happen."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tuilab.cli.follow import Watch, running_text, standstill
from tuilab.grid.cells import Cell
from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.grid.stages import Stage
from tuilab.grid.states import JobStatus, State
from tuilab.store.snapshot import CellView, Snapshot


def test_what_happens_passes_by_line_by_line_and_starts_do_not(tmp_path: Path) -> None:
    lines = [
        {"at": 0.0, "kind": "wanted", "jobs": {"data/a": 1}, "by": "ada", "verb": "run"},
        {"at": 1.0, "kind": "started", "job": "data/a", "attempt": 1},
        {"at": 4.6, "kind": "settled", "job": "data/a", "verdict": "done", "seconds": 3.6},
    ]
    said: list[str] = []
    Watch(tmp_path, (), say=said.append)._report(lines, snapshot(EngineState.RUNNING))
    assert [text[9:] for text in said] == [
        "ada asked to run data/a   [0/0 cells]",
        "data/a done in 4s   [0/0 cells]",
    ]


def test_a_sentence_whose_seconds_count_on_is_printed_once(tmp_path: Path) -> None:
    said: list[str] = []
    watch = Watch(tmp_path, (), say=said.append, _quiet=1e9)
    for note in ("no sign of n1 for 31s", "no sign of n1 for 32s", "", "no sign of n1 for 33s"):
        engine = EngineView(state=EngineState.RUNNING, note=note)
        watch._progress(replace(snapshot(EngineState.RUNNING), engine=engine), 0.0)
    assert [text.rpartition(" ")[2] for text in said] == ["31s", "33s"]


def test_a_watch_at_a_terminal_hears_that_the_run_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = snapshot(EngineState.RUNNING, State.DONE)
    watch = Watch(tmp_path, [view.cell for view in shown.cells])
    assert watch._ending(shown, 1.0) == 0  # a file has no bell to wait for
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert watch._ending(shown, 1.0) is None
    line = {"kind": "notified", "verb": "done", "title": "x: done", "text": "all 1 cell"}
    watch._report([line], shown)
    assert "x: done: all 1 cell" in capsys.readouterr().err
    assert watch._ending(shown, 1.1) == 0

    silent = Watch(tmp_path, [view.cell for view in shown.cells])
    assert silent._ending(shown, 1.0) is None
    assert silent._ending(shown, 4.0) == 0  # other work of the engine goes on
    assert silent._ending(snapshot(EngineState.STOPPED, State.DONE), 1.0) == 0


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
    assert "engine exited" in still(snapshot(EngineState.STOPPED, State.QUEUED))


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
