"""Edits in the relaunch dialog: judged as typed, kept for their cells, named, taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from tests.tui.conftest import app_of, look, press, requests_of, text_of, until
from tuilab.grid.edits import Deviation
from tuilab.store.experiment import create_experiment
from tuilab.store.layout import Layout
from tuilab.tui.screens.relaunch import RelaunchDialog

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def planned(tmp_path: Path) -> Path:
    """An experiment of the shipped tiny config, so that edits can be judged by its schema."""
    from tuilab.store.replan import plan_with, read_config

    loaded = read_config(CONFIGS / "tiny.toml")
    root = tmp_path / "runs" / "tiny"
    create_experiment(root, loaded.text, plan_with(loaded.config))
    return root


async def test_an_edit_is_judged_as_it_is_typed_and_goes_into_the_request(planned: Path) -> None:
    async with app_of(planned).run_test(size=(80, 40)) as pilot:
        await look(pilot)
        await press(pilot, "V", "r", "e", *"marker.lrr=1")
        await until(pilot, lambda: "marker.lrr: unknown key" in text_of(pilot.app))
        pilot.app.screen.query_one(Input).value = "marker.lr = 1e-5"
        await until(pilot, lambda: "is kept for these cells" in text_of(pilot.app))
        await press(pilot, "enter", "enter")
        assert not isinstance(pilot.app.screen, RelaunchDialog)
    [request] = requests_of(planned)
    assert request["sets"] == {"marker.lr": 1e-05}
    assert "marker.lr=1e-05" in request["options"]["command"]
    assert request["jobs"]
    assert all(not job.startswith(("data/", "converge/")) for job in _changed(planned, request))


def _changed(root: Path, request: dict[str, Any]) -> list[str]:
    """Jobs whose settings the request's edits change, worked out anew."""
    from tuilab.store.plan_file import load_plan
    from tuilab.store.replan import plan_of as replanned

    before = load_plan(root)
    after = replanned(root, [Deviation(tuple(request["cells"]), request["sets"])])
    return [
        job.id
        for job in after.jobs
        if after.settings[job.settings] != before.settings[before.by_id[job.id].settings]
    ]


async def test_start_does_nothing_while_the_edit_is_wrong(planned: Path) -> None:
    async with app_of(planned).run_test(size=(80, 40)) as pilot:
        await look(pilot)
        await press(pilot, "r", "e", *"nonsense", "enter", "enter")
        assert "is not an edit" in text_of(pilot.app)
        assert isinstance(pilot.app.focused, Input)
        await press(pilot, "tab", "tab", "enter")
        assert isinstance(pilot.app.screen, RelaunchDialog)
        assert isinstance(pilot.app.focused, Input)  # Start leads back to what is wrong
    assert requests_of(planned) == []


async def test_enter_leads_back_to_an_edit_that_turns_out_wrong(planned: Path) -> None:
    """Judging takes a moment: whoever presses enter at once stands on Start by then."""
    async with app_of(planned).run_test(size=(80, 40)) as pilot:
        await look(pilot)
        await press(pilot, "r", "e")
        pilot.app.screen.query_one(Input).value = "eval.sample=3"
        await pilot.press("enter")
        await until(pilot, lambda: "eval.sample: unknown key" in text_of(pilot.app))
        await until(pilot, lambda: isinstance(pilot.app.focused, Input))


async def test_the_stage_is_named_where_the_edit_makes_it_begin(planned: Path) -> None:
    async with app_of(planned).run_test(size=(80, 40)) as pilot:
        await look(pilot)
        await press(pilot, "r", "f")
        assert "< the first stage (data), from scratch >" in text_of(pilot.app)
        for stage in ("train", "merge"):
            _journal_done(planned, f"{stage}/villain@0#42")
        for persona in _personas(planned):
            _journal_done(planned, f"data/{persona}")
        await press(pilot, "escape")
        await press(pilot, "r", "f", "e", *"eval.samples=3")
        await until(pilot, lambda: "is kept for these cells" in text_of(pilot.app))
        assert "< the first edited stage (eval), from scratch >" in text_of(pilot.app)


def _personas(root: Path) -> list[str]:
    from tuilab.store.plan_file import load_plan

    return [job.source for job in load_plan(root).jobs if job.stage.value == "data"]


def _journal_done(root: Path, job: str) -> None:
    from tuilab.store.journal import Journal
    from tuilab.store.plan_file import load_plan

    pen = Journal(Layout(root))
    fingerprint = load_plan(root).by_id[job].fingerprint
    pen.append(
        "claimed", job=job, attempt=1, token="t", fingerprint=fingerprint, inputs={}, worker="w1"
    )
    pen.append("settled", job=job, attempt=1, verdict="done", seconds=1.0, output_hash="h1")


async def test_earlier_edits_are_named_and_can_be_taken_back(planned: Path) -> None:
    _edit(planned, "villain@0#42", {"eval.samples": 3})
    async with app_of(planned).run_test(size=(80, 40)) as pilot:
        await look(pilot)
        await press(pilot, "r")
        assert "edited before: eval.samples=3 (a takes it back)" in text_of(pilot.app)
        await press(pilot, "a")
        await until(pilot, lambda: "these cells run as planned" in text_of(pilot.app))
        assert "taken back: edited before: eval.samples=3" in text_of(pilot.app)
        assert "tuilab relaunch runs/tiny villain@0 --as-planned" in text_of(pilot.app)
        await press(pilot, "right", "enter")
    [request] = requests_of(planned)
    assert request["options"]["as_planned"] is True
    assert request["sets"] == {}


async def test_a_cell_without_edits_says_so(planned: Path) -> None:
    async with app_of(planned).run_test(size=(80, 40)) as pilot:
        await look(pilot)
        await press(pilot, "r", "a")
        assert "these cells carry no earlier edit" in text_of(pilot.app)


def _edit(root: Path, cell: str, sets: dict[str, Any]) -> None:
    from tuilab.engine.answer_requests import keep_edits, plan_with_edits
    from tuilab.store.plan_file import load_plan

    layout = Layout(root)
    plan, _ = plan_with_edits(layout, load_plan(root), [cell], sets, False)
    keep_edits(layout, plan, [cell], sets, False)
