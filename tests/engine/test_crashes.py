"""kill -9 of the engine between any two steps, of the shim, of the runner."""

from __future__ import annotations

import json
import os
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from tests.ending import processes_of
from tests.engine.trials import DEADLINE, Trial
from tuilab.contract import identity
from tuilab.contract.parsing import read_if_sound
from tuilab.contract.report import read_outcome
from tuilab.contract.worker import EXIT_FILE
from tuilab.engine.host import process_tree
from tuilab.grid.history import events_of

POINTS = (
    "claim-after-mkdir",
    "claim-before-journal",
    "claim-after-journal",
    "launch-after-worker-dir",
    "launch-before-spawn",
    "launch-after-spawn",
    "assign-after-inbox",
    "claim-after-journal:2",
    "assign-after-inbox:3",
    "settle-before-journal",
    "settle-after-journal",
    "request-before-journal",
    "request-after-journal",
)


@pytest.mark.parametrize("point", POINTS)
def test_after_a_crash_the_next_engine_finishes_the_grid_and_repeats_nothing(
    trial, point: str
) -> None:
    grid = trial()
    grid.script(any={"seconds": 0.03})
    grid.ask("run")
    assert grid.start("--go", crash_at=point).wait(DEADLINE) == -signal.SIGKILL
    assert grid.run("--go") == 0
    assert grid.all_done()
    first, second = grid.lines("engine-started")
    assert ("died" in first, second["died"]) == (False, f"pid {first['pid']}")
    for job, known in grid.ledger().evidence.items():
        assert [a.verdict.value for a in known.attempts].count("done") == 1, job
        assert not overlaps(grid, job), job
    for folder in grid.worker_dirs():
        # Its record is there when the tree is gone; the shim itself has a moment to go after that.
        grid.wait(lambda folder=folder: not processes_of(folder), "the end of the shim")


def overlaps(grid: Trial, job: str) -> bool:
    """Whether any two attempts of a job ran at the same time."""
    spans = []
    for attempt in grid.ledger().of(job).attempts:
        outcome = read_outcome(grid.layout.attempt_dir(job, attempt.number))
        if outcome is not None:
            spans.append((outcome.started_at, outcome.finished_at))
    return any(before[1] > after[0] for before, after in pairwise(spans))


def kill(grid: Trial, folder: Path, who: str) -> None:
    """SIGKILL the shim or the runner of a worker."""
    assert process_tree.send(grid.held_by(folder, who), signal.SIGKILL)


def test_a_killed_runner_costs_one_attempt_and_is_tried_once_more(trial) -> None:
    grid = trial()
    grid.script(train=[{"do": "hang"}, {}])
    grid.ask("run")
    engine = grid.start("--go")
    kill(grid, grid.worker_of("train/villain@0#42"), "runner")
    assert engine.wait(DEADLINE) == 0
    assert grid.verdicts("train/villain@0#42") == ["failed", "done"]
    first = grid.ledger().of("train/villain@0#42").attempts[0]
    assert (first.reason, "signal 9" in first.detail) == ("killed", True)
    told = [event.text for event in events_of(grid.lines())]
    assert "train/villain@0#42 killed by signal 9 (exit 137), retried" in told
    assert grid.all_done()


def test_a_killed_shim_has_its_orphans_ended_before_the_job_is_tried_again(trial) -> None:
    grid = trial()
    grid.script(train=[{"do": "hang"}, {}])
    grid.ask("run")
    engine = grid.start("--go")
    folder = grid.worker_of("train/villain@0#42")
    runner = grid.held_by(folder)
    kill(grid, folder, "shim")
    assert engine.wait(DEADLINE) == 0
    assert identity.is_alive(runner) is False
    assert grid.verdicts("train/villain@0#42")[-1] == "done"
    assert grid.verdicts("train/villain@0#42")[0] in ("lost", "failed")
    assert grid.all_done()


def test_a_killed_engine_s_runner_is_adopted_and_its_worker_fed_again(trial) -> None:
    grid = trial()
    grid.script(train={"until": str(grid.gate)})
    grid.ask("run")
    engine = grid.start("--go")
    folder = grid.worker_of("train/villain@0#42")
    engine.kill()
    engine.wait()
    next_engine = grid.start("--go")
    grid.wait(lambda: grid.lines("adopted"), "the adoption")
    grid.gate.touch()
    assert next_engine.wait(DEADLINE) == 0
    assert grid.all_done()
    assert grid.worker_dirs() == [folder]
    assert [line["job"] for line in grid.lines("adopted")] == ["train/villain@0#42"]


def test_what_ended_while_no_engine_lived_is_settled_from_its_files(trial) -> None:
    grid = trial()
    grid.script(train={"until": str(grid.gate)})
    grid.ask("run")
    engine = grid.start("--go")
    grid.worker_of("train/villain@0#42")
    engine.kill()
    engine.wait()
    grid.gate.touch()
    outcome = grid.layout.attempt_dir("train/villain@0#42", 1) / "outcome.json"
    grid.wait(outcome.exists, "the outcome")
    grid.start()
    grid.wait(lambda: grid.verdicts("train/villain@0#42") == ["done"], "the settlement")
    assert grid.verdicts("merge/villain@0#42") == []


@pytest.mark.parametrize("kept", [0.0, 0.4, 0.97])
def test_a_cut_journal_loses_no_result_and_starts_no_second_attempt(trial, kept: float) -> None:
    grid = trial()
    grid.script(train={"until": str(grid.gate)})
    grid.ask("run")
    engine = grid.start("--go")
    grid.worker_of("train/villain@0#42")
    engine.kill()
    engine.wait()
    whole = grid.layout.journal.read_bytes()
    grid.layout.journal.write_bytes(whole[: int(len(whole) * kept)])
    grid.ask("run")
    next_engine = grid.start("--go")
    grid.wait(lambda: grid.verdicts("train/villain@0#42") == ["running"], "the adoption")
    grid.gate.touch()
    assert next_engine.wait(DEADLINE) == 0
    assert grid.all_done()
    assert grid.verdicts("data/villain") == ["done"]
    assert grid.verdicts("train/villain@0#42") == ["done"]


def test_without_a_go_a_new_engine_adopts_but_starts_nothing(trial) -> None:
    grid = trial()
    grid.script(train={"do": "hang"})
    grid.ask("run")
    engine = grid.start("--go")
    folder = grid.worker_of("train/villain@0#42")
    engine.kill()
    engine.wait()
    grid.start()
    grid.wait(lambda: grid.lines("adopted"), "the adoption")
    kill(grid, folder, "runner")
    grid.wait(lambda: grid.verdicts("train/villain@0#42") == ["failed"], "the settlement")
    waiting = grid.wait(lambda: said(grid, "waiting for a go"), "the note")
    assert waiting["state"] == "waiting"
    assert len(grid.lines("claimed")) == 3


def said(grid: Trial, words: str) -> dict[str, object] | None:
    """Return the engine's view once its note contains the words."""
    view = (read_if_sound(grid.layout.engine, dict) or {}).get("view", {})
    return view if words in view.get("note", "") else None


def test_a_restarted_machine_leaves_its_attempts_lost(trial) -> None:
    grid = trial()
    grid.script(train=[{"do": "hang"}, {}])
    grid.ask("run")
    engine = grid.start("--go")
    folder = grid.worker_of("train/villain@0#42")
    engine.kill()
    engine.wait()
    lease = read_if_sound(folder / "lease.json", dict) or {}
    kill(grid, folder, "shim")
    kill(grid, folder, "runner")
    for who in ("shim", "runner"):
        lease[who]["boot_id"] = "another-boot"
    (folder / "lease.json").write_text(json.dumps(lease))
    assert not (folder / EXIT_FILE).exists()
    assert grid.run("--go") == 0
    first = grid.ledger().of("train/villain@0#42").attempts[0]
    assert (first.verdict.value, "restarted" in first.detail) == ("lost", True)
    assert grid.all_done()


def test_a_shim_that_died_before_its_lease_is_fenced_and_the_job_tried_again(trial) -> None:
    grid = trial()
    grid.ask("run")
    engine = grid.start("--go", crash_at="shim-before-lease")
    grid.wait(lambda: grid.ledger().of("data/villain").held, "the hold")
    assert len(grid.lines("worker-started")) >= 3
    assert all((f / "lease.json").exists() for f in grid.worker_dirs()[:-1])
    engine.kill()


def test_a_shim_that_died_after_the_spawn_has_its_runner_ended(trial) -> None:
    grid = trial()
    grid.ask("run")
    engine = grid.start("--go", crash_at="shim-after-spawn")
    grid.wait(lambda: len(grid.lines("worker-ended")) >= 1, "the end of the worker")
    first = grid.worker_dirs()[0]
    assert processes_of(first) == []
    engine.kill()


def test_a_stop_that_was_recorded_before_the_crash_stays_a_stop(trial) -> None:
    grid = trial()
    grid.script(train={"do": "hang"})
    grid.ask("run")
    engine = grid.start("--go", crash_at="stop-before-signal")
    grid.worker_of("train/villain@0#42")
    grid.ask("stop", cells=("villain@0#42",))
    assert engine.wait(DEADLINE) == -signal.SIGKILL
    grid.start("--go")
    grid.wait(lambda: grid.verdicts("train/villain@0#42") == ["stopped"], "the stop")
    assert os.path.lexists(grid.layout.job_dir("train/villain@0#42") / "latest")
