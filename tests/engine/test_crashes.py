"""kill -9 of the engine between any two steps, of the shim, of the runner."""

from __future__ import annotations

import json
import os
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from tests.ending import engine_pid, processes_of
from tests.engine.trials import DEADLINE, Trial, make_plan
from tuilab.contract import identity
from tuilab.contract.parsing import read_if_sound
from tuilab.contract.report import read_outcome
from tuilab.contract.worker import EXIT_FILE
from tuilab.engine.host import process_tree
from tuilab.grid.history import events_of

TRAIN = "train/villain@0#42"
EVAL = "eval/villain@0#42"
POINTS = (
    (
        "request-before-journal",
        "launch-after-worker-dir",
        "claim-after-mkdir",
        "claim-after-journal:2",
    ),
    (
        "request-after-journal",
        "launch-before-spawn",
        "claim-before-journal",
        "settle-before-journal",
    ),
    ("claim-after-journal", "assign-after-inbox", "assign-after-inbox:3"),
    ("launch-after-spawn", "settle-after-journal"),
)
"""Steps at which the engines of one grid are killed, one after the other.

At most two of each leave a worker that never comes up: three in a row would pause the grid.
"""


@pytest.mark.parametrize("points", POINTS)
def test_after_a_crash_the_next_engine_finishes_the_grid_and_repeats_nothing(
    trial, points: tuple[str, ...]
) -> None:
    grid = trial(make_plan(("villain", "nurse")))
    grid.ask("run")
    died = []
    for point in points:
        engine = grid.start("--go", crash_at=point)
        grid.wait(lambda engine=engine: engine.poll() is not None, f"the crash at {point}")
        assert engine.returncode == -signal.SIGKILL, point
        died.append(f"pid {engine.pid}")
    last = grid.start("--go")
    grid.wait(lambda: last.poll() is not None, "the end")
    assert grid.all_done()
    first, *later = grid.lines("engine-started")
    assert "died" not in first
    assert [one["died"] for one in later] == died
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


def test_a_killed_runner_or_shim_costs_one_attempt_and_its_orphans_end_before_the_next(
    trial,
) -> None:
    grid = trial()
    grid.script(train=[{"do": "hang"}, {}], eval=[{"do": "hang"}, {}])
    grid.ask("run")
    engine = grid.start("--go")
    kill(grid, grid.worker_of(TRAIN), "runner")
    folder = grid.worker_of(EVAL)
    runner = grid.held_by(folder)
    kill(grid, folder, "shim")
    assert engine.wait(DEADLINE) == 0
    assert grid.all_done()
    assert grid.verdicts(TRAIN) == ["failed", "done"]
    first = grid.ledger().of(TRAIN).attempts[0]
    assert (first.reason, "signal 9" in first.detail) == ("killed", True)
    told = [event.text for event in events_of(grid.lines())]
    assert f"{TRAIN} killed by signal 9 (exit 137), retried" in told
    assert identity.is_alive(runner) is False
    assert grid.verdicts(EVAL) in (["lost", "done"], ["failed", "done"])


def engine_killed_in_training(trial) -> tuple[Trial, Path]:
    """Return a grid that trains behind its gate without an engine, and the folder of its worker."""
    grid = trial()
    grid.script(train={"until": str(grid.gate)})
    grid.ask("run")
    engine = grid.start("--go")
    folder = grid.worker_of(TRAIN)
    engine.kill()
    engine.wait()
    return grid, folder


def test_a_cut_journal_loses_no_result_and_starts_no_second_attempt(trial) -> None:
    grid, folder = engine_killed_in_training(trial)
    for kept in (1.0, 0.97, 0.4, 0.0):
        whole = grid.layout.journal.read_bytes()
        grid.layout.journal.write_bytes(whole[: int(len(whole) * kept)])
        grid.ask("run")
        engine = grid.start("--go")
        grid.wait(lambda engine=engine: engine_pid(grid.layout.root) == engine.pid, "the engine")
        grid.wait(lambda: grid.verdicts(TRAIN) == ["running"], "the adoption")
        if kept == 1.0:
            adopted = grid.wait(lambda: grid.lines("adopted"), "the word of it")
            assert [line["job"] for line in adopted] == [TRAIN]
        if kept:
            engine.kill()
            engine.wait()
    grid.gate.touch()
    assert engine.wait(DEADLINE) == 0
    assert grid.all_done()
    assert grid.verdicts("data/villain") == ["done"]
    assert grid.verdicts(TRAIN) == ["done"]
    assert grid.worker_dirs() == [folder], "its worker was not fed again"


def test_a_journal_cut_where_its_fold_ends_loses_no_result_and_starts_no_second_attempt(
    trial,
) -> None:
    """A disk that lost what the last engine wrote leaves what the one before had left in order."""
    grid = trial()
    grid.script(train={"until": str(grid.gate)})
    grid.ask("run", jobs=("data/villain", "data/clerk"))
    assert grid.run("--go") == 0
    left_in_order = grid.layout.journal.read_bytes()
    grid.ask("run")
    engine = grid.start("--go")
    folder = grid.worker_of(TRAIN)
    engine.kill()
    engine.wait()
    grid.layout.journal.write_bytes(left_in_order)
    grid.ask("run")
    engine = grid.start("--go")
    grid.wait(lambda: grid.verdicts(TRAIN) == ["running"], "the adoption")
    grid.gate.touch()
    assert engine.wait(DEADLINE) == 0
    assert grid.all_done()
    assert grid.verdicts(TRAIN) == ["done"]
    assert folder in grid.worker_dirs()


def test_without_a_go_a_new_engine_adopts_and_settles_but_starts_nothing(trial) -> None:
    grid, folder = engine_killed_in_training(trial)
    grid.start()
    grid.wait(lambda: grid.lines("adopted"), "the adoption")
    grid.engines[-1].kill()
    grid.engines[-1].wait()
    grid.gate.touch()
    outcome = grid.layout.attempt_dir(TRAIN, 1) / "outcome.json"
    grid.wait(outcome.exists, "the outcome")
    grid.start()
    grid.wait(lambda: grid.verdicts(TRAIN) == ["done"], "the settlement of what ended meanwhile")
    waiting = grid.wait(lambda: said(grid, "waiting to be resumed"), "the note")
    assert waiting["state"] == "waiting"
    kill(grid, folder, "runner")
    grid.wait(lambda: grid.lines("worker-ended"), "the end of the worker")
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
    folder = grid.worker_of(TRAIN)
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
    first = grid.ledger().of(TRAIN).attempts[0]
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
    grid.worker_of(TRAIN)
    grid.ask("stop", cells=("villain@0#42",))
    assert engine.wait(DEADLINE) == -signal.SIGKILL
    grid.start("--go")
    grid.wait(lambda: grid.verdicts(TRAIN) == ["stopped"], "the stop")
    assert os.path.lexists(grid.layout.job_dir(TRAIN) / "latest")
