"""A grid runs to its end with real processes and a fast fake runner; then the engine leaves."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.engine.trials import DEADLINE, make_plan
from tuilab.engine import loop
from tuilab.engine.decide.actions import Action
from tuilab.engine.perform import Performer
from tuilab.grid.engine_view import EngineState
from tuilab.store.engine_file import read_heartbeat

TRAIN = "train/villain@0#42"


def test_a_grid_runs_to_its_end_and_the_engine_leaves(finished) -> None:
    assert finished.all_done()
    assert len(finished.lines("settled")) == len(finished.lines("claimed")) == 11
    [line] = finished.lines("engine-stopped")
    assert line["why"] == "nothing is left to do"


def test_a_wish_left_while_the_engine_leaves_is_read_by_it(
    trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who left it saw the lease, and so started no engine."""
    grid = trial(make_plan())

    class AskedLate(loop.Engine):
        def _leave(self, why: str) -> None:
            if len(grid.lines("request")) == 1:
                grid.ask("relaunch", jobs=("cosine/villain@0#42",), cells=("villain@0#42",))
            super()._leave(why)

    monkeypatch.setattr(loop, "Engine", AskedLate)
    grid.ask("run")
    assert grid.run("--go") == 0
    assert grid.verdicts("cosine/villain@0#42") == ["done", "done"]
    assert [line["accepted"] for line in grid.lines("request")] == [True, True]
    assert len(grid.lines("engine-stopped")) == 2


def test_an_engine_that_is_told_to_leave_reads_no_more_wishes(
    trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = trial(make_plan())

    class AskedLate(loop.Engine):
        def _leave(self, why: str) -> None:
            grid.ask("relaunch", jobs=(TRAIN,), cells=("villain@0#42",))
            super()._leave(why)

    monkeypatch.setattr(loop, "Engine", AskedLate)
    grid.script(**{TRAIN: {"do": "hang"}})
    grid.ask("run")
    engine = grid.start("--go")
    grid.wait(lambda: grid.verdicts(TRAIN) == ["running"], "a running training")
    engine.terminate()
    assert engine.wait(DEADLINE) == 0
    assert len(grid.lines("engine-stopped")) == 1


@pytest.mark.parametrize("crash_at", ["request-after-journal", "launch-after-worker-dir"])
def test_an_engine_is_seen_to_live_before_its_first_answer_and_its_first_worker(
    trial, crash_at: str
) -> None:
    """Else who waits for either sees no engine, and calls a job lost whose worker comes up."""
    grid = trial()
    grid.ask("run")
    grid.run("--go", crash_at=crash_at)
    beat = read_heartbeat(grid.layout)
    assert beat is not None and beat.view.state is EngineState.RUNNING


def test_an_engine_gives_signs_of_life_between_the_actions_of_a_long_round(
    trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid, beats, perform = trial(make_plan()), tmp_path / "beats", Performer.perform

    def slow(self: Performer, action: Action) -> None:
        time.sleep(0.02)
        beat = read_heartbeat(grid.layout)
        with beats.open("a") as file:
            file.write(f"{beat and beat.heartbeat_at}\n")
        perform(self, action)

    monkeypatch.setattr(Performer, "perform", slow)
    monkeypatch.setattr(loop, "BEAT_SECONDS", 0.01)
    grid.ask("run")
    assert grid.run("--go") == 0
    seen = beats.read_text().splitlines()
    assert len(seen) > 9 and len(set(seen)) == len(seen)
