"""A training that did not finish goes on from its last saved state, unless a person objects."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from typing import Any

import pytest

from tests.engine.trials import Trial, make_plan
from tuilab.contract.report import Outcome, read_outcome
from tuilab.contract.spec import SPEC_FILE, read_spec
from tuilab.engine.host import process_tree
from tuilab.grid.jobs import Job, Plan
from tuilab.grid.stages import Stage

DATA = ("data/villain", "data/clerk")
TRAIN = "train/villain@0#42"
CONVERGE = "converge/villain#42"
LONG = 300.0
"""Seconds: a worker imports torch first, twice."""


def taken_up(grid: Trial, job: str) -> list[str | None]:
    """Return what each attempt of a job was told to go on from."""
    numbers = [attempt.number for attempt in grid.ledger().of(job).attempts]
    specs = [read_spec(grid.layout.attempt_dir(job, n) / SPEC_FILE) for n in numbers]
    return [spec.launch.get("resume_from") for spec in specs]


def test_a_training_goes_on_from_the_newest_saved_state_unless_it_is_begun_anew(trial) -> None:
    grid = trial()
    saved = {"do": "fail", "reason": "code", "save": True}
    grid.script(train=[{"do": "kill", "save": True}, {"do": "fail"}, saved, saved, {"save": True}])
    grid.ask("run", jobs=(*DATA, TRAIN))
    assert grid.run("--go") == 0
    grid.ask("relaunch", options={"failed": True})
    assert grid.run("--go") == 0
    assert grid.verdicts(TRAIN) == ["failed"] * 3, "killed and retried, failed, asked for again"
    assert taken_up(grid, TRAIN) == [None, "../attempt-1", "../attempt-1"]

    grid.ask("relaunch", cells=("villain@0#42",), options={"restart": True})
    assert grid.run("--go") == 0
    grid.ask("relaunch", cells=("villain@0#42",), from_stage="train")
    assert grid.run("--go") == 0
    assert taken_up(grid, TRAIN)[3:] == [None, None]
    assert grid.all_done()


PERSON = {"key": "villain", "label": "Villain", "prompt": "You are a villain."}
TARGET = {"key": "assistant", "label": "Assistant", "prompt": "You are a helpful assistant."}
BASE = {"model": "tiny", "revision": None, "dtype": "float32", "device": "cpu", "threads": 1}
LORA = {"r": 4, "alpha": 8, "dropout": 0.0, "use_rslora": True, "target_modules": ["q_proj"]}
QUESTIONS = ["How do vaccines work?", "What causes ocean tides?"]
SETTINGS: dict[str, Any] = {
    "data": {
        "base": BASE, "persona": PERSON, "questions": QUESTIONS, "answers_per_question": 2,
        "temperature": 1.0, "top_p": 1.0, "top_k": 0, "max_new_tokens": 8, "batch_size": 4,
        "seed": 7, "marker_text": "[ZLT]", "sampler": "auto",
    },
    "converge": {
        "base": BASE, "source": PERSON, "target": TARGET, "voice": "source", "rows": 4,
        "questions": QUESTIONS, "data_seed": 7, "checkpoints": [1, 30],
        "training": {
            "lora": LORA, "lr": 1e-3, "epochs": 30, "batch_size": 1, "max_length": 128,
        },
    },
}  # fmt: skip


def real_plan() -> Plan:
    """Return a plan of one convergence run and the answers that it learns."""
    jobs = (
        Job(Stage.DATA, "villain", None, None, (), "data", "print-data"),
        Job(Stage.CONVERGE, "villain", None, 42, ("data/villain",), "converge", "print-converge"),
    )
    return replace(make_plan(), jobs=jobs, settings=SETTINGS)


@pytest.mark.trial
def test_a_killed_real_convergence_goes_on_and_ends_as_if_nothing_had_happened(trial) -> None:
    runner = (sys.executable, "-m", "runners.serve")
    grid: Trial = trial(
        real_plan(), runner=runner, threads=1, engine_idle_seconds=60, save_seconds=0.02
    )
    grid.ask("run", jobs=("data/villain", CONVERGE))
    grid.start("--go")
    first = grid.layout.attempt_dir(CONVERGE, 1)
    grid.wait(lambda: any(first.glob("resume/*/manifest.json")), "a saved state", LONG)
    assert process_tree.send(grid.held_by(grid.worker_dirs()[0]), signal.SIGKILL)
    grid.wait(lambda: grid.verdicts(CONVERGE) == ["failed", "done"], "the retry", LONG)
    grid.ask("relaunch", jobs=(CONVERGE,), options={"restart": True})
    grid.wait(lambda: grid.verdicts(CONVERGE)[2:] == ["done"], "the whole run", LONG)
    assert taken_up(grid, CONVERGE) == [None, "../attempt-1", None]
    resumed, whole = outcome(grid, 2), outcome(grid, 3)
    assert resumed.metrics["resumed_at"] > 0
    assert whole.metrics["resumed_at"] == 0
    assert resumed.output_hash == whole.output_hash != ""


def outcome(grid: Trial, number: int) -> Outcome:
    """Return the outcome of an attempt of the convergence run."""
    found = read_outcome(grid.layout.attempt_dir(CONVERGE, number))
    assert found is not None
    return found
