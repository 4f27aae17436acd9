"""What a person asks while the grid runs: stop, pause, hold, order, relaunch."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.trials import DEADLINE, Trial, make_plan
from tuilab.contract import identity
from tuilab.contract.identity import Identity
from tuilab.contract.parsing import read, read_if_sound
from tuilab.contract.report import EVENTS_FILE
from tuilab.contract.worker import HOLD_FILE
from tuilab.engine import start
from tuilab.grid.states import State
from tuilab.store.reader import Reader

TRAIN = "train/villain@0#42"
EVAL = "eval/villain@0#42"


def runner_of(grid: Trial, job: str) -> Identity:
    """Wait until a job runs and return its runner."""
    return grid.held_by(grid.worker_of(job))


def view(grid: Trial) -> dict[str, Any]:
    """Return the engine's view of itself."""
    return dict((read_if_sound(grid.layout.engine, dict) or {}).get("view", {}))


def answer_to(grid: Trial, request: str) -> dict[str, Any]:
    """Wait for the journal's answer to a request."""
    return grid.wait(
        lambda: next((line for line in grid.lines("request") if line["id"] == request), None),
        "an answer",
    )


def test_a_stopped_job_is_stopped_whatever_it_does_and_the_rest_goes_on(trial) -> None:
    grid = trial(make_plan(("villain", "nurse")), grace_seconds=0.2)
    grid.script(**{TRAIN: {"do": "stubborn"}})
    grid.ask("run")
    engine = grid.start("--go")
    runner = runner_of(grid, TRAIN)
    assert answer_to(grid, grid.ask("stop", cells=("villain@0#42",)))["accepted"]
    assert engine.wait(DEADLINE) == 0
    assert identity.is_alive(runner) is False
    last = grid.ledger().of(TRAIN).attempts[-1]
    assert (last.verdict.value, last.reason, last.by) == ("stopped", None, "tester")
    assert grid.verdicts("merge/villain@0#42") == []
    assert grid.verdicts("cosine/nurse@0#42") == ["done"]


def test_stopping_what_was_given_early_spares_the_job_before_it(trial) -> None:
    grid = trial(make_plan(("villain", "nurse")))
    grid.script(**{"data/villain": {"until": str(grid.gate)}})
    grid.ask("run")
    grid.start("--go")
    runner = runner_of(grid, "data/villain")
    grid.wait(lambda: "data/nurse" in grid.live(), "an early assignment")
    grid.ask("stop", jobs=("data/nurse",))
    grid.wait(lambda: grid.verdicts("data/nurse") == ["stopped"], "the stop")
    assert identity.is_alive(runner)
    grid.gate.touch()
    grid.wait(lambda: grid.verdicts("data/villain") == ["done"], "the job before it")
    assert not (grid.layout.attempt_dir("data/nurse", 1) / EVENTS_FILE).exists()


def test_stopping_everything_leaves_nothing_wanted(trial) -> None:
    grid = trial(make_plan(("villain", "nurse")), workers=2)
    grid.script(data={"do": "hang"})
    grid.ask("run")
    engine = grid.start("--go")
    runner_of(grid, "data/villain")
    runner_of(grid, "data/nurse")
    grid.ask("stop")
    assert engine.wait(DEADLINE) == 0
    assert grid.verdicts("data/villain") == ["stopped"]
    assert not any(known.is_due for known in grid.ledger().evidence.values())


def test_a_soft_pause_lets_the_running_job_finish_and_starts_nothing(trial) -> None:
    grid = trial(make_plan(("villain", "nurse")), assign_ahead=False)
    grid.script(**{"data/villain": {"until": str(grid.gate)}})
    grid.ask("run")
    engine = grid.start("--go")
    runner_of(grid, "data/villain")
    answer_to(grid, grid.ask("pause"))
    grid.gate.touch()
    grid.wait(lambda: grid.verdicts("data/villain") == ["done"], "the end of the running job")
    grid.wait(lambda: view(grid).get("state") == "paused", "the view")
    assert grid.verdicts("data/nurse") == []
    grid.ask("resume")
    assert engine.wait(DEADLINE) == 0
    assert grid.all_done()


def a_paused_grid_with_a_job_ahead(grid: Trial) -> None:
    """Pause while data/villain runs and data/nurse lies in its worker's inbox, then let it end."""
    grid.script(**{"data/villain": {"until": str(grid.gate)}})
    grid.ask("run")
    grid.start("--go")
    runner_of(grid, "data/villain")
    grid.wait(lambda: "data/nurse" in grid.live(), "an early assignment")
    shown = {one.job: one for one in Reader(grid.layout.root).poll(time.time()).shared}
    assert shown["data/villain"].state is State.RUNNING
    assert (shown["data/nurse"].state, shown["data/nurse"].is_live) == (State.QUEUED, True)
    answer_to(grid, grid.ask("pause"))
    [worker] = grid.worker_dirs()
    grid.wait((worker / HOLD_FILE).exists, "the hold")
    grid.gate.touch()
    grid.wait(lambda: grid.verdicts("data/villain") == ["done"], "the end of the running job")


def test_what_was_given_early_begins_after_the_pause_only_though_the_engine_died(
    trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuilab.engine.loop.BEAT_SECONDS", 0.1)
    grid = trial(make_plan(("villain", "nurse")))
    a_paused_grid_with_a_job_ahead(grid)
    beat = read(grid.layout.engine, dict)["heartbeat_at"]
    grid.wait(
        lambda: read(grid.layout.engine, dict)["heartbeat_at"] > beat,
        "some time in pause",
    )
    assert grid.verdicts("data/nurse") == ["claimed"]
    assert not (grid.layout.attempt_dir("data/nurse", 1) / EVENTS_FILE).exists()
    assert "nothing new starts" in view(grid)["queued"]
    grid.engines[-1].kill()
    grid.engines[-1].wait()
    grid.ask("resume")
    assert grid.run("--go") == 0
    assert grid.all_done()
    assert grid.verdicts("data/nurse") == ["done"]


def test_a_held_worker_s_job_can_be_stopped_and_the_rest_goes_on(trial) -> None:
    grid = trial(make_plan(("villain", "nurse")))
    a_paused_grid_with_a_job_ahead(grid)
    grid.ask("stop", jobs=("data/nurse",))
    grid.wait(lambda: grid.verdicts("data/nurse") == ["stopped"], "the stop")
    grid.ask("resume")
    assert grid.engines[-1].wait(DEADLINE) == 0
    assert not (grid.layout.attempt_dir("data/nurse", 1) / EVENTS_FILE).exists()
    assert grid.verdicts("cosine/villain@0#42") == ["done"]


def test_a_hard_pause_suspends_the_runner_which_then_goes_on_or_is_stopped(trial) -> None:
    grid = trial()
    grid.script(train={"until": str(grid.gate)}, eval={"do": "hang"})
    grid.ask("run")
    grid.start("--go")
    runner = runner_of(grid, TRAIN)
    grid.ask("pause", options={"mode": "hard"})
    grid.wait(lambda: (identity.read_stat(runner.pid) or "?")[0] == "T", "the suspension")
    grid.wait(lambda: "suspended" in view(grid).get("note", ""), "the note")
    grid.gate.touch()
    grid.ask("resume")
    grid.wait(lambda: grid.verdicts(TRAIN) == ["done"], "the end of the training")
    runner = runner_of(grid, EVAL)
    grid.ask("pause", options={"mode": "hard"})
    grid.wait(lambda: (identity.read_stat(runner.pid) or "?")[0] == "T", "the suspension")
    grid.ask("stop", jobs=(EVAL,))
    grid.wait(lambda: grid.verdicts(EVAL) == ["stopped"], "the stop")


def test_a_held_job_stays_until_it_is_released_or_asked_for(trial) -> None:
    grid = trial()
    grid.ask("run", jobs=("data/villain", "data/clerk"))
    held = grid.ask("hold", jobs=("data/villain", "data/clerk"))
    assert grid.run("--go") == 0
    assert answer_to(grid, held)["accepted"]
    assert grid.lines("claimed") == []
    grid.ask("release", jobs=("data/villain",))
    assert grid.run("--go") == 0
    assert (grid.verdicts("data/villain"), grid.verdicts("data/clerk")) == (["done"], [])
    grid.ask("run", jobs=("data/clerk",))
    assert grid.run("--go") == 0
    assert grid.verdicts("data/clerk") == ["done"]
    assert grid.ledger().of("data/clerk").held == ""


def test_a_reordered_cell_runs_first_with_all_that_it_needs(trial) -> None:
    grid = trial(make_plan(("villain", "nurse")), assign_ahead=False)
    grid.ask("run")
    grid.ask("order", cells=("nurse@0#42",))
    assert grid.run("--go") == 0
    claimed = [line["job"] for line in grid.lines("claimed")]
    assert claimed.index("cosine/nurse@0#42") < claimed.index("data/villain")


def test_failed_cells_are_relaunched_as_new_attempts_and_the_old_ones_kept(trial) -> None:
    grid = trial(make_plan(("villain", "nurse")))
    fault = {"do": "fail", "reason": "nan-loss", "detail": "loss is nan at step 7"}
    grid.script(**{TRAIN: [fault, {}]})
    grid.ask("run")
    assert grid.run("--go") == 0
    first = grid.layout.attempt_dir(TRAIN, 1) / "outcome.json"
    before = first.read_bytes()
    assert grid.verdicts(TRAIN) == ["failed"]
    grid.ask("relaunch", options={"failed": True})
    assert grid.run("--go") == 0
    assert grid.verdicts(TRAIN) == ["failed", "done"]
    assert first.read_bytes() == before
    assert grid.all_done()
    assert (grid.layout.job_dir(TRAIN) / "latest").resolve().name == "attempt-2"


def test_a_relaunch_from_a_stage_redoes_it_and_what_is_below(again) -> None:
    again.ask("relaunch", cells=("villain@0#42",), from_stage="merge")
    assert again.run("--go") == 0
    counts = {job: len(known.attempts) for job, known in again.ledger().evidence.items()}
    assert counts[TRAIN] == 1
    assert [counts[f"{stage}/villain@0#42"] for stage in ("merge", "eval", "cosine")] == [2, 2, 2]
    spec = read(again.layout.attempt_dir("eval/villain@0#42", 2) / "spec.json", dict)
    assert spec["inputs"][0]["path"].endswith("attempt-2")


def test_an_impossible_request_is_answered_with_the_reason_and_changes_nothing(trial) -> None:
    grid = trial()
    odd = grid.ask("explode")
    nowhere = grid.ask("run", cells=("pirate@3",))
    idle = grid.ask("stop")
    grid.run()
    answers = {line["id"]: line for line in grid.lines("request")}
    assert not any(line["accepted"] for line in answers.values())
    assert "not a verb" in answers[odd]["why"]
    assert "names no cell" in answers[nowhere]["why"]
    assert "none of these is running" in answers[idle]["why"]
    assert list(grid.layout.requests.glob("*.json")) == []


def test_a_request_is_answered_once_even_if_its_file_comes_back(trial) -> None:
    grid = trial()
    request = grid.ask("pause")
    path = grid.layout.requests / f"{request}.json"
    content = path.read_bytes()
    assert grid.run() == 0
    path.write_bytes(content)
    assert grid.run() == 0
    assert not path.exists()
    assert len([line for line in grid.lines("request") if line["id"] == request]) == 1


def test_a_second_engine_refuses_unless_it_takes_over_and_none_takes_the_runner_along(
    trial,
) -> None:
    grid = trial()
    grid.script(**{"data/villain": {"until": str(grid.gate)}})
    grid.ask("run")
    first = grid.start("--go")
    runner = runner_of(grid, "data/villain")
    assert grid.run() == 4
    assert f"pid {first.pid}" in grid.log()
    assert first.poll() is None

    second = grid.start("--go", "--takeover")
    assert first.wait(DEADLINE) in (0, 4, -signal.SIGKILL)
    grid.wait(lambda: grid.lines("adopted"), "the adoption")
    assert grid.lines("engine-started")[-1]["took_over"] == f"pid {first.pid}"
    assert identity.is_alive(runner)

    grid.wait(lambda: beating(grid) == second.pid, "its first round")
    second.terminate()
    assert second.wait(DEADLINE) == 0
    assert identity.is_alive(runner)
    assert "its workers keep running" in grid.lines("engine-stopped")[-1]["why"]
    assert view(grid)["state"] == "stopped"

    grid.gate.touch()
    assert grid.run("--go") == 0
    assert grid.verdicts("data/villain") == ["done"]
    assert grid.all_done()


def beating(grid: Trial) -> int:
    """Process id of the engine whose heartbeat was written last."""
    return int(read(grid.layout.engine, dict)["identity"]["pid"])


def test_start_detaches_the_engine_from_whoever_asked(trial) -> None:
    grid = trial(engine_idle_seconds=60)
    who = start(grid.layout.root, go=True)
    try:
        again = start(grid.layout.root, go=True)
        assert again == who
        fields = Path(f"/proc/{who.pid}/stat").read_text().rpartition(")")[2].split()
        parent, session, terminal = int(fields[1]), int(fields[3]), int(fields[4])
        assert parent != os.getpid()
        assert session == who.pid
        assert terminal == 0
    finally:
        os.kill(who.pid, signal.SIGTERM)
        deadline = time.monotonic() + DEADLINE
        while identity.is_alive(who) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert identity.is_alive(who) is False


def test_an_engine_outlives_a_short_absence_of_its_directory_and_leaves_a_deleted_one(
    trial: Callable[..., Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuilab.engine.loop.GONE_SECONDS", 3.0)
    grid = trial(engine_idle_seconds=600.0)
    engine = grid.start()
    grid.wait(lambda: view(grid), "a heartbeat")
    away = grid.layout.root.with_name("away")
    grid.layout.root.rename(away)
    time.sleep(0.3)  # several looks of the engine
    away.rename(grid.layout.root)
    answer_to(grid, grid.ask("pause", options={"hard": False}))
    grid.layout.root.rename(away)
    assert engine.wait() == 0
    away.rename(grid.layout.root)
