"""Which attempts lack a whole copy in the tracker, told from the files alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tuilab.contract.spec import SPEC_FILE, read_spec
from tuilab.contract.tracking import CopyState, run_id, write_state
from tuilab.store.reader import Reader
from tuilab.store.tracker_copies import Lacking, lacking

from .scene import ALIVE, NOW, Scene, small_plan

DATA, OTHER, TRAIN = "data/villain", "data/comedian", "train/villain@0#42"
OFFLINE = {"kind": "wandb", "project": "mine", "entity": None, "mode": "offline"}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "x", small_plan(resources={"workers": 1, "tracker": OFFLINE}))


def found(scene: Scene, redo: bool = False, **wishes: str) -> list[Lacking]:
    reader = Reader(scene.root)
    reader.poll(NOW)
    return lacking(reader, wishes, redo)


def copy(scene: Scene, job: str, **changes: object) -> None:
    run = run_id("small", read_spec(scene.directory(job) / SPEC_FILE))
    whole = CopyState(f"mine/{run}", "offline", copied=1, is_complete=True)
    write_state(scene.layout.tracker, run, replace(whole, **changes))  # type: ignore[arg-type]


def test_every_ended_attempt_is_due_until_its_copy_is_whole(scene: Scene) -> None:
    scene.want()
    scene.finish_all(DATA, OTHER)
    assert [(one.job, one.attempt) for one in found(scene)] == [(DATA, 1), (OTHER, 1)]
    copy(scene, DATA)
    [one] = found(scene)
    assert (one.job, one.why) == (OTHER, "it was never copied")
    assert one.order.folder == scene.layout.tracker
    assert (one.order.project, one.order.group, one.order.mode) == ("mine", "small", "offline")
    assert len(found(scene, redo=True)) == 2


def test_what_runs_is_left_to_its_runner_and_what_never_began_to_nobody(scene: Scene) -> None:
    scene.want()
    scene.worker("w1", ALIVE)
    scene.claim(DATA)
    scene.begin(DATA)
    scene.claim(OTHER)
    scene.settle(OTHER, "lost")
    assert found(scene) == []


def test_a_copy_with_fewer_events_than_ours_is_due(scene: Scene) -> None:
    scene.want()
    scene.claim(DATA)
    scene.begin(DATA)
    scene.event(DATA, "metric", seq=41, step=20, loss=0.5)
    scene.settle(DATA, "lost")
    copy(scene, DATA, copied=40)
    assert [one.why for one in found(scene)] == ["the copy broke off"]
    copy(scene, DATA, copied=41, is_complete=False)
    assert [one.why for one in found(scene)] == ["the copy broke off"]
    copy(scene, DATA, copied=0, is_complete=False, problem="no key")
    assert [one.why for one in found(scene)] == ["no key"]
    copy(scene, DATA, copied=41)
    assert found(scene) == []


def test_half_a_last_line_does_not_hide_the_ones_before(scene: Scene) -> None:
    scene.want()
    scene.finish(DATA)
    copy(scene, DATA)
    with (scene.directory(DATA) / "events.jsonl").open("a") as file:
        file.write('{"seq": 9, "at"')
    assert found(scene) == []


def test_another_project_or_mode_is_another_copy(scene: Scene) -> None:
    scene.want()
    scene.finish(DATA)
    copy(scene, DATA)
    [online] = found(scene, mode="online")
    assert (online.order.mode, online.why) == ("online", "its copy is offline in mine")
    [elsewhere] = found(scene, project="yours")
    assert elsewhere.order.project == "yours"


def test_an_experiment_without_a_tracker_can_be_copied_later(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "plain")
    scene.want()
    scene.finish(DATA)
    [one] = found(scene, mode="offline")
    assert (one.order.project, one.order.mode) == ("tuilab", "offline")
