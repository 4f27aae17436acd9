"""An attempt is made once, never reused, and only a whole one can be built upon."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuilab.contract.spec import read_spec
from tuilab.contract.worker import Stop, read_stop
from tuilab.store.attempts import (
    Claim,
    UnusableInputError,
    attempt_numbers,
    attempts_on_disk,
    new_attempt_dir,
    next_number,
    point_latest,
    read_claim,
    usable_input,
    write_claim,
    write_stop,
)
from tuilab.store.layout import Layout

from .scene import Scene, small_plan

JOB = "train/villain@10#42"


def test_an_attempt_directory_is_made_exactly_once(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    made = new_attempt_dir(layout, JOB, 1)
    (made / "precious").write_text("result")
    with pytest.raises(FileExistsError):
        new_attempt_dir(layout, JOB, 1)
    assert (made / "precious").read_text() == "result"
    assert next_number(layout, JOB) == 2
    with pytest.raises(ValueError, match="begin at 1"):
        new_attempt_dir(layout, JOB, 0)


def test_numbers_are_read_from_names_and_nothing_else(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for number in (10, 9, 2):
        new_attempt_dir(layout, JOB, number)
    folder = layout.job_dir(JOB)
    for name in ("attempt-x", "attempt-", "attempt-03", "old", "attempt-1.bak"):
        (folder / name).mkdir()
    point_latest(layout, JOB, 10)
    assert attempt_numbers(layout, JOB) == [2, 9, 10]
    assert attempt_numbers(layout, "data/nobody") == []


def test_what_is_on_disk_is_found_without_a_look_for_each_job(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "x", small_plan(("villain", "Org/Näme"), (0, 2), (42, 7)))
    for job in ("data/Org/Näme", "converge/villain#7", "eval/Org/Näme@2#42", "eval/villain@0#7"):
        for number in (11, 2):
            new_attempt_dir(scene.layout, job, number)
    for stray in ("data/villain/attempt-1/attempt-3", "eval/villain/seed-9/epoch-0/attempt-1"):
        (scene.layout.jobs / stray).mkdir(parents=True)
    found = attempts_on_disk(scene.layout, scene.plan)
    numbers = {job: attempt_numbers(scene.layout, job) for job in scene.plan.by_id}
    assert found == [(job, one) for job, one in numbers.items() if one]
    assert len(found) == 5


def test_latest_moves_from_attempt_to_attempt(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for number in (1, 2):
        new_attempt_dir(layout, JOB, number)
        point_latest(layout, JOB, number)
        assert (layout.job_dir(JOB) / "latest").resolve() == layout.attempt_dir(JOB, number)
    assert not list(layout.job_dir(JOB).glob(".*"))


def test_a_folder_called_latest_is_left_alone(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    new_attempt_dir(layout, JOB, 1)
    (layout.job_dir(JOB) / "latest").mkdir()
    point_latest(layout, JOB, 1)
    assert (layout.job_dir(JOB) / "latest").is_dir()
    assert not list(layout.job_dir(JOB).glob(".*"))


def test_claims_and_stops_come_back(tmp_path: Path) -> None:
    assert read_claim(tmp_path) is None
    assert read_stop(tmp_path) is None
    write_claim(tmp_path, Claim("w1", 5.0))
    write_stop(tmp_path, Stop("me@pod", 6.0))
    assert read_claim(tmp_path) == Claim("w1", 5.0)
    assert read_stop(tmp_path) == Stop("me@pod", 6.0)


def test_an_input_names_a_relative_path_that_survives_moving_the_experiment(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "here")
    outcome = scene.finish("data/villain")
    reader = scene.layout.attempt_dir("train/villain@0#42", 1)
    found = usable_input(scene.layout, "data/villain", 1, reader)
    assert (found.job, found.output_hash) == ("data/villain", outcome.output_hash)
    scene.root.rename(tmp_path / "there")
    moved = Layout(tmp_path / "there").attempt_dir("train/villain@0#42", 1)
    moved.mkdir(parents=True)
    assert read_spec(moved / found.path / "spec.json").job == "data/villain"


def test_an_input_that_is_not_done_is_refused_in_words(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "x")
    reader = scene.layout.attempt_dir("train/villain@0#42", 1)

    def refused() -> str:
        with pytest.raises(UnusableInputError) as caught:
            usable_input(scene.layout, "data/villain", 1, reader)
        return str(caught.value)

    scene.claim("data/villain")
    assert refused() == "data/villain attempt 1 has no readable outcome"
    scene.outcome("data/villain", "failed", reason="nan-loss")
    assert refused() == "data/villain attempt 1 is not done"
    scene.outcome("data/villain")
    (scene.directory("data/villain") / "result.bin").unlink()
    assert refused() == "data/villain attempt 1 has lost result.bin"
