"""Leftovers are listed, and what is deleted never lies behind a link or outside."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tuilab.store.gc import Kind, Leftover, OutsideError, delete, leftovers
from tuilab.store.plan_file import save_plan
from tuilab.store.quarantine import quarantine

from . import artefacts as made
from .scene import ALIVE, DEAD, NOW, Scene

DATA, TRAIN = "data/villain", "train/villain@0#42"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "x")


def names(scene: Scene) -> dict[str, Kind]:
    found = leftovers(scene.layout, NOW)
    return {item.path.relative_to(scene.root).as_posix(): item.kind for item in found}


def grow(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(b"x" * 1000)
    return folder


def test_a_tidy_experiment_has_no_leftovers(scene: Scene) -> None:
    scene.want()
    scene.finish_all()
    assert names(scene) == {}


def test_each_kind_of_leftover_is_found_and_can_be_deleted(scene: Scene) -> None:
    old = scene.root / ".plan.json.1.draft"
    old.write_text("{")
    os.utime(old, (0, 0))
    scene.finish(TRAIN)
    grow(scene.directory(TRAIN) / "merged")
    grow(scene.directory(TRAIN) / "resume")
    (scene.layout.root / "bad.json").write_text("{")
    kept = quarantine(scene.layout, scene.root / "bad.json", "cut", NOW)
    assert kept is not None
    scene.worker("w9", DEAD)
    scene.end_worker("w9", 0)
    attempt = scene.directory(TRAIN).relative_to(scene.root).as_posix()
    assert names(scene) == {
        ".plan.json.1.draft": Kind.DRAFT,
        f"{attempt}/merged": Kind.SCRATCH,
        f"{attempt}/resume": Kind.SCRATCH,
        kept.relative_to(scene.root).as_posix(): Kind.QUARANTINE,
        "workers/w9": Kind.WORKER,
    }
    found = leftovers(scene.layout, NOW)
    assert all(item.size > 0 for item in found)
    for item in found:
        delete(scene.layout, [item])
    assert names(scene) == {}
    assert list(scene.layout.quarantine.iterdir()) == []
    assert (scene.directory(TRAIN) / "outcome.json").exists()


def test_what_is_still_needed_is_not_a_leftover(scene: Scene) -> None:
    draft = scene.root / ".plan.json.1.draft"
    draft.write_text("being written now")
    os.utime(draft, (NOW, NOW))
    scene.worker("w1", ALIVE)
    scene.claim(DATA)
    grow(scene.directory(DATA) / "resume")
    scene.worker("w2", DEAD)
    scene.end_worker("w2", 1)
    scene.claim(TRAIN, "w2")
    assert names(scene) == {}


def test_the_newest_saved_state_of_an_unfinished_run_is_kept_for_resuming(scene: Scene) -> None:
    for _ in range(2):
        scene.claim(TRAIN)
        (grow(scene.directory(TRAIN) / "resume" / "step-000007") / "manifest.json").write_text("{}")
        scene.settle(TRAIN, "failed", reason="killed")
    scene.claim(TRAIN)
    grow(scene.directory(TRAIN) / "resume" / "step-000009")
    scene.settle(TRAIN, "failed", reason="killed")
    place = "jobs/train/villain/seed-42/epoch-0"
    assert list(names(scene)) == [f"{place}/attempt-1/resume", f"{place}/attempt-3/resume"]


def test_merged_weights_that_are_an_artefact_are_kept(scene: Scene) -> None:
    job = "merge/villain@0#42"
    folder = scene.claim(job)
    merged = grow(folder / "merged") / "weights"
    scene.outcome(job, files=[merged])
    scene.settle(job)
    assert names(scene) == {}


def test_deleting_removes_a_link_and_not_what_it_points_at(scene: Scene, tmp_path: Path) -> None:
    precious = grow(tmp_path / "precious")
    folder = scene.layout.quarantine
    folder.mkdir()
    (folder / "link").symlink_to(precious)
    inner = grow(folder / "real")
    (inner / "deep").symlink_to(precious)
    for item in leftovers(scene.layout, NOW):
        assert item.size < 2000 + len(str(precious)) + 4096
        delete(scene.layout, [item])
    assert list(folder.iterdir()) == []
    assert (precious / "weights").stat().st_size == 1000


def test_nothing_outside_the_experiment_can_be_deleted(scene: Scene, tmp_path: Path) -> None:
    precious = grow(tmp_path / "precious")
    (scene.root / "way-out").symlink_to(tmp_path)
    for path in (
        precious,
        scene.root / ".." / "precious",
        scene.root / "way-out" / "precious",
        scene.root,
        scene.root / "jobs" / "..",
    ):
        with pytest.raises(OutsideError):
            delete(scene.layout, [Leftover(path, Kind.DRAFT, 0, "")])
    assert (precious / "weights").exists()
    assert scene.layout.plan.exists()


def test_a_linked_quarantine_folder_is_not_looked_into(scene: Scene, tmp_path: Path) -> None:
    grow(tmp_path / "precious")
    scene.layout.quarantine.symlink_to(tmp_path)
    assert names(scene) == {}


def test_whole_answers_of_a_done_attempt_are_never_listed(scene: Scene) -> None:
    scene.finish(DATA)
    made.write_rows(scene.directory(DATA) / "answers.jsonl.gz", made.answers())
    assert names(scene) == {}


def test_results_of_jobs_that_left_the_plan_are_offered_and_no_other_attempt(scene: Scene) -> None:
    scene.want()
    scene.finish_all()
    assert names(scene) == {}
    kept = [job for job in scene.plan.jobs if "villain@2" not in job.id]
    save_plan(scene.layout, replace(scene.plan, jobs=tuple(kept), epochs=(0,)))
    found = names(scene)
    assert set(found.values()) == {Kind.UNPLANNED}
    assert set(found) == {
        f"jobs/{stage}/villain/seed-42/epoch-2" for stage in ("train", "merge", "eval", "cosine")
    }
    for item in leftovers(scene.layout, NOW):
        delete(scene.layout, [item])
    assert scene.layout.job_dir("converge/villain#42").is_dir()
    assert scene.layout.job_dir("eval/villain@0#42").is_dir()


def test_an_unplanned_attempt_that_nobody_has_ended_is_left_alone(scene: Scene) -> None:
    scene.claim("eval/villain@2#42")
    kept = [job for job in scene.plan.jobs if "villain@2" not in job.id]
    save_plan(scene.layout, replace(scene.plan, jobs=tuple(kept), epochs=(0,)))
    assert names(scene) == {}
