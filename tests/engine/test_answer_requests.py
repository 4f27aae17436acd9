"""Edits of single cells: kept as a deviation, planned anew, refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.engine.trials import SOURCE, Trial
from tuilab.store.experiment import create_experiment
from tuilab.store.plan_file import load_plan
from tuilab.store.replan import plan_with, read_config


@pytest.fixture
def tiny(tmp_path: Path) -> Trial:
    """The tiny grid paused: requests are answered and nothing starts."""
    loaded = read_config(SOURCE / "configs" / "tiny.toml")
    plan = plan_with(loaded.config)
    grid = Trial(create_experiment(tmp_path / "tiny", loaded.text, plan), tmp_path / "none.json")
    grid.ask("pause")
    return grid


def answers(grid: Trial) -> list[tuple[bool, str]]:
    return [(line["accepted"], line["why"]) for line in grid.lines("request")]


def serve_requests(grid: Trial, count: int) -> None:
    grid.start()
    grid.wait(lambda: len(grid.lines("request")) >= count, "the answers")
    grid.end()


def test_an_edit_changes_its_cell_alone_and_is_kept(tiny: Trial) -> None:
    before = load_plan(tiny.layout.root)
    cell = str(before.cells[1])
    tiny.ask("relaunch", cells=(cell,), sets={"marker.lr": 7e-5})
    serve_requests(tiny, 2)
    assert answers(tiny)[-1][0] is True, answers(tiny)
    after = load_plan(tiny.layout.root)
    changed = {j.id for j in after.jobs if before.by_id[j.id].fingerprint != j.fingerprint}
    assert changed == {f"train/{cell}"}
    kept = json.loads(tiny.layout.deviations.read_text())
    assert kept == [{"cells": [cell], "sets": {"marker.lr": 7e-5}}]
    wanted = tiny.lines("wanted")[-1]["jobs"]
    assert {f"{stage}/{cell}" for stage in ("train", "merge", "eval", "cosine")} <= set(wanted)
    assert tiny.lines("deviation")[0]["cells"] == [cell]


def test_an_impossible_edit_is_refused_and_leaves_the_plan_alone(tiny: Trial) -> None:
    before = tiny.layout.plan.read_bytes()
    cell = str(load_plan(tiny.layout.root).cells[1])
    tiny.ask("relaunch", cells=(cell,), sets={"marker.lrr": 7e-5})
    tiny.ask("relaunch", cells=(cell,), sets={"convergence.lr": 7e-5})
    tiny.ask("run", cells=(cell,), sets={"marker.lr": 7e-5})
    tiny.ask("relaunch", sets={"marker.lr": 7e-5}, options={"failed": True})
    serve_requests(tiny, 5)
    found = answers(tiny)[1:]
    assert [accepted for accepted, _ in found] == [False] * 4
    assert "marker.lr" in found[0][1]
    assert "shared" in found[1][1]
    assert tiny.layout.plan.read_bytes() == before
    assert not tiny.layout.deviations.exists()


def test_edits_are_taken_back_when_cells_go_back_to_the_plan(tiny: Trial) -> None:
    before = load_plan(tiny.layout.root)
    one, other = map(str, before.cells[1:3])
    tiny.ask("relaunch", cells=(one, other), sets={"marker.lr": 7e-5})
    tiny.ask("relaunch", cells=(one,), options={"as_planned": True})
    serve_requests(tiny, 3)
    after = load_plan(tiny.layout.root)
    assert after.by_id[f"train/{one}"].fingerprint == before.by_id[f"train/{one}"].fingerprint
    assert after.by_id[f"train/{other}"].deviation == {"marker.lr": 7e-5}
    kept = json.loads(tiny.layout.deviations.read_text())
    assert kept == [{"cells": [other], "sets": {"marker.lr": 7e-5}}]
    assert tiny.lines("deviation")[-1]["as_planned"] is True


def test_a_value_that_comes_back_after_another_is_kept(tiny: Trial) -> None:
    cell = str(load_plan(tiny.layout.root).cells[1])
    for rate in (1e-5, 2e-5, 1e-5):
        tiny.ask("relaunch", cells=(cell,), sets={"marker.lr": rate})
    serve_requests(tiny, 4)
    kept = [one["sets"]["marker.lr"] for one in json.loads(tiny.layout.deviations.read_text())]
    assert kept == [1e-5, 2e-5, 1e-5]
