"""``status --json``: a stable shape, the truth, and nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.store.engine_file import write_heartbeat
from tuilab.store.plan_file import PlanFileError, save_plan
from tuilab.store.status import status

from .scene import ALIVE, DEAD, NOW, Scene, fold_journal


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = Scene(tmp_path / "small")
    scene.want()
    for job in scene.plan.by_id:
        if "comedian@2" not in job:
            scene.finish(job)
    return scene


def test_the_shape_is_the_documented_one(scene: Scene) -> None:
    found = json.loads(json.dumps(status(scene.root, NOW)))
    assert set(found) == {
        "schema",
        "experiment",
        "root",
        "synthetic",
        "read_only",
        "measured",
        "engine",
        "copy_of",
        "other_code",
        "note",
        "tags",
        "counts",
        "jobs_failed",
        "bases_stale",
        "cells",
        "problems",
    }
    assert found["experiment"] == "small"
    assert found["counts"] == {"queued": 1, "done": 3}
    assert found["jobs_failed"] == []
    assert found["engine"]["state"] == "stopped"
    [first, *_, last] = found["cells"]
    assert first == {
        "source": "villain",
        "epoch": 0,
        "seed": 42,
        "state": "done",
        "stage": None,
        "reason": None,
        "detail": "",
        "attempt": 1,
        "metrics": {
            "assistant_leakage": {"value": 0.365, "hits": 73, "n": 200},
            "source_rate": {"value": 0.9, "hits": 180, "n": 200},
            "max_bystander": {"value": 0.06, "hits": 12, "n": 200},
            "target_excess": {"value": pytest.approx(0.3275), "hits": None, "n": None},
            "cosine": {"value": -0.36, "hits": None, "n": None},
            "minutes": {"value": pytest.approx(50 / 60), "hits": None, "n": None},
        },
        "note": "",
        "tags": [],
        "edits": {},
        "accepted": {},
    }
    assert (last["state"], last["stage"]) == ("queued", "train")
    assert set(last["metrics"].values()) == {None}


def test_a_failed_shared_job_is_listed_with_the_cells_that_wait_for_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "broken")
    scene.want()
    scene.claim("data/villain")
    scene.settle("data/villain", "failed", reason="code", detail="no module named torch")
    found = status(scene.root, NOW)
    assert found["jobs_failed"] == [
        {
            "job": "data/villain",
            "stage": "data",
            "state": "failed",
            "reason": "code",
            "detail": "no module named torch",
            "attempt": 1,
            "cells_waiting": 2,
        }
    ]
    assert found["counts"] == {"waiting": 4}
    fold_journal(scene.layout)
    assert status(scene.root, NOW) == found


def test_a_fold_answers_like_the_journal(scene: Scene) -> None:
    truth = status(scene.root, NOW)
    fold_journal(scene.layout)
    assert status(scene.root, NOW) == truth
    scene.finish("train/comedian@2#42")
    assert status(scene.root, NOW)["cells"][-1]["stage"] == "merge"


def test_a_journal_of_the_same_size_that_was_replaced_is_noticed(scene: Scene) -> None:
    fold_journal(scene.layout)
    whole = scene.layout.journal.read_bytes()
    other = scene.root / "other"
    other.write_bytes(whole.replace(b'"verdict":"done"', b'"verdict":"lost"'))
    other.replace(scene.layout.journal)
    assert "done" not in status(scene.root, NOW)["counts"]


def test_a_fold_knows_nothing_of_a_plan(scene: Scene) -> None:
    fold_journal(scene.layout)
    jobs = tuple(replace(job, fingerprint="new") for job in scene.plan.jobs)
    save_plan(scene.layout, replace(scene.plan, jobs=jobs))
    assert status(scene.root, NOW)["counts"] == {"waiting": 1, "stale": 3}


def test_what_was_running_is_lost_once_engine_and_worker_are_gone(scene: Scene) -> None:
    scene.worker("w1", ALIVE)
    scene.claim("train/comedian@2#42")
    scene.begin("train/comedian@2#42")
    view = EngineView(state=EngineState.RUNNING, workers=1)
    write_heartbeat(scene.layout, ALIVE, "t", view, NOW)
    fold_journal(scene.layout)
    assert status(scene.root, NOW)["counts"] == {"running": 1, "done": 3}
    write_heartbeat(scene.layout, DEAD, "t", view, NOW)
    scene.worker("w1", DEAD)
    found = status(scene.root, NOW)
    assert found["counts"] == {"lost": 1, "done": 3}
    assert (found["engine"]["state"], found["engine"]["pid"]) == ("stopped", None)


def test_without_a_plan_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PlanFileError, match="tuilab plan"):
        status(tmp_path, NOW)


@pytest.mark.parametrize("is_folded", [True, False])
def test_it_imports_only_the_standard_library(scene: Scene, is_folded: bool) -> None:
    if is_folded:
        fold_journal(scene.layout)
    code = (
        "import sys; before = set(sys.modules); sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from tuilab.store.status import status\n"
        "status(Path(sys.argv[2])); print(*set(sys.modules) - before)"
    )
    here = str(Path(__file__).parents[2])
    run = subprocess.run(
        [sys.executable, "-I", "-c", code, here, str(scene.root)],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.split(".")[0] for name in run.stdout.split()}
    assert loaded - set(sys.stdlib_module_names) == {"tuilab"}
