"""What became of an attempt, told from its files: what an engine will record, readers show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuilab.contract import atomic
from tuilab.contract.report import LOG_FILE
from tuilab.contract.worker import LOG_FILE as WORKER_LOG
from tuilab.contract.worker import STOP_FILE, assign
from tuilab.grid.states import Verdict
from tuilab.store.settlement import ending, settlement

from .scene import DEAD, Scene

JOB = "data/villain"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """One attempt whose worker is gone."""
    scene = Scene(tmp_path / "x")
    scene.worker("w1", DEAD)
    scene.claim(JOB, "w1")
    return scene


def told(scene: Scene) -> tuple[Verdict, str | None]:
    found = ending(scene.layout, scene.plan.by_id[JOB], 1)
    return found.verdict, found.reason


def test_an_attempt_that_was_begun_ends_as_its_worker_did(scene: Scene) -> None:
    scene.begin(JOB)
    assert told(scene) == ("lost", "killed")
    scene.end_worker("w1", 0)
    assert told(scene) == ("lost", "killed")
    scene.end_worker("w1", 137, oom_kills=1)
    assert told(scene) == ("failed", "host-oom")
    scene.end_worker("w1", 1)
    (scene.directory(JOB) / LOG_FILE).write_text("CUDA out of memory\n")
    assert told(scene) == ("failed", "gpu-oom")


def test_a_worker_that_never_came_up_is_charged_to_its_first_attempt(scene: Scene) -> None:
    folder = scene.layout.worker_dir("w1")
    (folder / WORKER_LOG).write_text("ImportError: libcudart.so.13\n")
    scene.end_worker("w1", 1)
    assert told(scene) == ("lost", None)
    assign(folder, 1, scene.directory(JOB))
    assert told(scene) == ("failed", "code")


def test_what_the_stall_watchdog_ended_is_stalled_with_or_without_an_outcome(scene: Scene) -> None:
    scene.begin(JOB)
    stop = {"jobs": [JOB], "by": "the stall watchdog", "is_stall": True}
    atomic.write_json(scene.layout.worker_dir("w1") / STOP_FILE, stop)
    assert told(scene) == ("failed", "stalled")
    scene.outcome(JOB, "failed", reason="killed")
    found = settlement(scene.layout, scene.plan, scene.plan.by_id[JOB], 1)
    assert found is not None
    assert (found.verdict, found.reason) == ("failed", "stalled")
