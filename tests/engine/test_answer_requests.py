"""Edits of single cells and grown grids: planned again, kept, or refused with the reason."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.trials import FAKE_RUNNER, SOURCE, Trial
from tests.grid.planned import SMALL
from tuilab.grid.jobs import Plan
from tuilab.store.experiment import create_experiment
from tuilab.store.plan_file import load_plan
from tuilab.store.reader import Reader
from tuilab.store.replan import config_of, plan_with, read_config


@pytest.fixture(scope="module")
def planned() -> tuple[str, Plan]:
    loaded = read_config(SOURCE / "configs" / "tiny.toml")
    return loaded.text, plan_with(loaded.config)


@pytest.fixture
def tiny(tmp_path: Path, planned: tuple[str, Plan]) -> Trial:
    """The tiny grid paused: requests are answered and nothing starts."""
    grid = Trial(create_experiment(tmp_path / "tiny", *planned), tmp_path / "none.json")
    grid.ask("pause")
    return grid


def answers(grid: Trial) -> list[tuple[bool, str]]:
    return [(line["accepted"], line["why"]) for line in grid.lines("request")]


def serve_requests(grid: Trial, count: int) -> None:
    grid.start()
    grid.wait(lambda: len(grid.lines("request")) >= count, "the answers")
    grid.end()


def test_edits_change_their_cells_alone_are_kept_and_can_be_taken_back(tiny: Trial) -> None:
    before = load_plan(tiny.layout.root)
    one, other = map(str, before.cells[1:3])
    for rate in (1e-5, 2e-5, 1e-5):
        tiny.ask("relaunch", cells=(one,), sets={"marker.lr": rate})
    serve_requests(tiny, 4)
    assert all(accepted for accepted, _ in answers(tiny)), answers(tiny)
    after = load_plan(tiny.layout.root)
    changed = {j.id for j in after.jobs if before.by_id[j.id].fingerprint != j.fingerprint}
    assert changed == {f"train/{one}"}
    kept = json.loads(tiny.layout.deviations.read_text())
    assert [edit["cells"] for edit in kept] == [[one]] * 3
    assert [edit["sets"]["marker.lr"] for edit in kept] == [1e-5, 2e-5, 1e-5]
    wanted = tiny.lines("wanted")[-1]["jobs"]
    assert {f"{stage}/{one}" for stage in ("train", "merge", "eval", "cosine")} <= set(wanted)
    assert tiny.lines("deviation")[0]["cells"] == [one]

    tiny.ask("relaunch", cells=(one, other), sets={"marker.lr": 7e-5})
    tiny.ask("relaunch", cells=(one,), options={"as_planned": True})
    serve_requests(tiny, 6)
    after = load_plan(tiny.layout.root)
    assert after.by_id[f"train/{one}"].fingerprint == before.by_id[f"train/{one}"].fingerprint
    assert after.by_id[f"train/{other}"].deviation == {"marker.lr": 7e-5}
    kept = json.loads(tiny.layout.deviations.read_text())
    assert kept == [{"cells": [other], "sets": {"marker.lr": 7e-5}}]
    assert tiny.lines("deviation")[-1]["as_planned"] is True


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


RUN = "converge/villain#42"


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Trial]:
    """A grid with epochs 0 and 2 whose jobs the fake runner plays."""
    script = tmp_path / "script.json"
    runner = json.dumps([sys.executable, str(FAKE_RUNNER), str(script)])
    text = SMALL.replace("epochs = [0, 1, 2]", "epochs = [0, 2]  # kept").replace(
        "threads = 1", f"runner = {runner}\nreserve_gb = 0\nengine_idle_seconds = 0.1"
    )
    config = config_of(tmp_path / "small.toml", text).config
    grid = Trial(create_experiment(tmp_path / "grid", text, plan_with(config)), script)
    yield grid
    grid.end()


def test_a_living_engine_takes_a_grown_plan_and_disturbs_nothing(played: Trial) -> None:
    played.script(**{RUN: {"until": str(played.gate)}})
    played.ask("run", cells=("villain@2#42",))
    played.start("--go")
    played.wait(lambda: played.live() == {RUN: 1}, "the convergence run alone")
    played.ask("grow", cells=("villain@1#42",), options={"epochs": [1]})
    played.wait(lambda: played.lines("grown"), "the new plan")
    assert played.live() == {RUN: 1}
    assert "epochs = [0, 1, 2]  # kept" in played.layout.config.read_text()
    played.gate.touch()
    assert played.engines[-1].wait() == 0, played.log()
    assert played.verdicts(RUN) == ["done", "done"], "it kept epoch 2 alone when it began"
    ledger = played.ledger()
    kept = [set(one.checkpoints) for one in ledger.of(RUN).attempts]
    assert kept == [{2}, {1, 2}]
    for cell in ("villain@1#42", "villain@2#42"):
        assert played.verdicts(f"eval/{cell}") == ["done"]
    snapshot = Reader(played.layout.root).poll(time.time())
    states = {str(view.cell): view.state.value for view in snapshot.cells}
    assert states["villain@1#42"] == states["villain@2#42"] == "done"


def test_what_runs_cannot_leave_the_plan(played: Trial) -> None:
    played.script(any={"until": str(played.gate)})
    played.ask("run", cells=("villain@0#42",))
    played.start("--go")
    played.wait(played.live, "a job")
    config = played.layout.config
    config.write_text(config.read_text().replace('["villain", "nurse"]', '["nurse"]', 1))
    before = played.layout.plan.read_bytes()
    played.ask("grow")
    played.wait(lambda: len(played.lines("request")) == 2, "the answer")
    accepted, why = answers(played)[-1]
    assert not accepted
    assert "is running and would leave the plan: stop it first" in why
    assert played.layout.plan.read_bytes() == before
    played.gate.touch()


def test_a_config_that_cannot_be_planned_is_refused_with_the_reason(played: Trial) -> None:
    played.ask("pause")
    played.ask("grow", options={"sources": ["poet"]})
    played.ask("grow", options={"epochs": ["x"]})
    serve_requests(played, 3)
    found = answers(played)[1:]
    assert [accepted for accepted, _ in found] == [False, False]
    assert "poet is not a persona of this experiment" in found[0][1]


def test_what_was_asked_for_and_left_the_plan_is_no_longer_wanted(played: Trial) -> None:
    played.ask("pause")
    played.ask("run", cells=("villain@2#42", "nurse@0#42"))
    config = played.layout.config
    config.write_text(config.read_text().replace('["villain", "nurse"]', '["nurse"]', 1))
    played.ask("grow")
    serve_requests(played, 3)
    gone = played.lines("unwanted")[-1]["jobs"]
    assert RUN in gone
    assert not any("nurse" in job for job in gone)
    assert played.lines("grown")[-1]["gone"] == 0, "nothing of them is on disk"


def test_an_accepted_result_is_on_record_with_all_that_it_was_accepted_for(played: Trial) -> None:
    played.ask("run", cells=("villain@0#42",))
    assert played.run("--go") == 0
    config = played.layout.config
    config.write_text(config.read_text().replace("samples = 2", "samples = 3"))
    for verb, parts in (
        ("grow", {}),
        ("accept", {"cells": ("villain@0#42",)}),
        ("accept", {"cells": ("villain@0#42",), "options": {"why": "same questions"}}),
        ("accept", {"cells": ("villain@0#42",), "options": {"why": "same questions"}}),
    ):
        played.ask(verb, **parts)
    assert played.run() == 0
    found = answers(played)[-3:]
    assert [accepted for accepted, _ in found] == [False, True, False]
    assert found[0][1].startswith("say why")
    assert found[2][1] == "villain@0#42 is not stale: there is nothing to accept"
    [line] = played.lines("accepted")
    assert line["why"] == "same questions"
    word = line["jobs"]["eval/villain@0#42"]
    assert word["causes"] == "eval.samples 2 → 3"
    plan = load_plan(played.layout.root).by_id["eval/villain@0#42"]
    assert plan.parts is not None
    assert word["parts"] == plan.parts.as_json()
