"""The relaunch dialog: what it lists is what is asked for; edits are judged, kept, taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.widgets import Input

from tests.tui.conftest import app_of, look, press, requests_of, text_of, until
from tuilab.grid.edits import Deviation
from tuilab.store.layout import Layout
from tuilab.tui.screens.relaunch import RelaunchDialog

SIZE = (80, 24)
BROKEN = ["eval/nurse@2#42", "cosine/nurse@2#42"]
"""The failed stage, and the one that nobody has asked for yet."""


async def test_r_lists_the_jobs_and_start_asks_for_exactly_these(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "r")
        shown = text_of(pilot.app)
        assert "eval/nurse@2#42    attempt 2  took 3m12s  failed" in shown
        assert "cosine/nurse@2#42  attempt 1  never ran   never requested" in shown
        assert "kept: results of train, merge, and all earlier attempts" in shown
        assert "$ tuilab relaunch runs/small nurse@2" in shown
        assert requests_of(experiment) == []
        await press(pilot, "right", "enter")
        assert "asked for 2 jobs" in text_of(pilot.app)
    [request] = requests_of(experiment)
    assert (request["verb"], request["cells"], request["jobs"]) == (
        "relaunch",
        ["nurse@2#42"],
        BROKEN,
    )
    assert request["from_stage"] is None
    assert request["options"] == {"command": ["tuilab", "relaunch", "runs/small", "nurse@2"]}


async def test_the_focus_starts_on_cancel_and_cancel_asks_for_nothing(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        for keys in ("enter", "escape", "q", "right left enter"):
            await press(pilot, "e", "r", *keys.split())
            assert not isinstance(pilot.app.screen, RelaunchDialog), keys
    assert requests_of(experiment) == []


async def test_the_dialog_says_why_it_ended(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "r")
        assert "it ended: gpu-oom: CUDA out of memory: tried to allocate" in text_of(pilot.app)


async def test_f_begins_at_another_stage(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "r", *["f"] * 4)
        assert "< train >" in text_of(pilot.app)
        assert "--from train" in text_of(pilot.app)
        await press(pilot, "right", "enter")
    [request] = requests_of(experiment)
    assert request["from_stage"] == "train"
    assert request["jobs"] == [
        f"{stage}/nurse@2#42" for stage in ("train", "merge", "eval", "cosine")
    ]


async def test_from_scratch_is_a_choice_and_takes_up_no_unfinished_attempt(
    copy_of: Callable[[str], Path],
) -> None:
    root = copy_of("unfinished")
    train = "train/villain@2#42"
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "r")
        assert "resumes 1" in text_of(pilot.app)
        await press(pilot, "f")
        shown = text_of(pilot.app)
        assert "< the first broken stage (train), from scratch >" in shown
        assert "resumes 1" not in shown
        assert "$ tuilab relaunch runs/unfinished villain@2 --restart" in shown
        await press(pilot, "right", "enter")
    [request] = requests_of(root)
    assert request["options"]["restart"] is True
    assert request["options"]["command"][-1] == "--restart"
    assert request["jobs"][0] == train
    assert request["from_stage"] is None


async def test_c_goes_on_to_all_that_failed_and_all_that_is_stale(
    copy_of: Callable[[str], Path],
) -> None:
    root = copy_of("half_way")
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "j", "e", "r")
        assert "Relaunch Med Doctor, epoch 16" in text_of(pilot.app)
        await press(pilot, "c")
        assert "Relaunch all that failed: 3 cells" in text_of(pilot.app)
        assert "$ tuilab relaunch runs/half_way --failed" in text_of(pilot.app)
        await press(pilot, "c")
        assert "Relaunch all that is stale: 1 cell" in text_of(pilot.app)
        assert "accepts stale results instead" in " ".join(text_of(pilot.app).split())
        assert "$ tuilab relaunch runs/half_way --stale" in text_of(pilot.app)
        await press(pilot, "right", "enter")
    [request] = requests_of(root)
    assert request["cells"] == ["comedian@4#42"]
    assert request["jobs"][0] == "train/comedian@4#42"


async def test_the_dialog_names_its_own_keys(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "r")
        bar = text_of(pilot.app).splitlines()[-1]
        for words in ("esc cancel", "e edit", "f from stage", "a as planned", "? help"):
            assert words in bar
        await press(pilot, "question_mark")
        assert "Keys of the relaunch dialog" in text_of(pilot.app)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, RelaunchDialog)


async def test_an_edit_is_judged_as_it_is_typed_and_goes_into_the_request(planned: Path) -> None:
    async with app_of(planned).run_test(size=(80, 40)) as pilot:
        await look(pilot)
        await press(pilot, "V", "r", "e", *"marker.lrr=1")
        await until(pilot, lambda: "marker.lrr: unknown key" in text_of(pilot.app))
        pilot.app.screen.query_one(Input).value = "marker.lr = 1e-5"
        await until(pilot, lambda: "stays with these cells" in text_of(pilot.app))
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
        await until(pilot, lambda: "stays with these cells" in text_of(pilot.app))
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
    _edit(planned, ["villain@0#42"], {"eval.samples": 3})
    async with app_of(planned).run_test(size=(80, 40)) as pilot:
        await look(pilot)
        await press(pilot, "r")
        assert "edited before: eval.samples=3 (a takes it back)" in text_of(pilot.app)
        await press(pilot, "a")
        await until(pilot, lambda: "these cells run as planned" in text_of(pilot.app))
        assert "takes back what was edited before: eval.samples=3" in text_of(pilot.app)
        assert "tuilab relaunch runs/tiny villain@0 --as-planned" in text_of(pilot.app)
        await press(pilot, "right", "enter")
    [request] = requests_of(planned)
    assert request["options"]["as_planned"] is True
    assert request["sets"] == {}


async def test_an_edit_of_a_shared_job_is_named_and_can_be_taken_back(planned: Path) -> None:
    cells = [f"villain@{epoch}#42" for epoch in _epochs(planned)]
    _edit(planned, cells, {"convergence.lr": 1e-3})
    async with app_of(planned).run_test(size=(80, 40)) as pilot:
        await look(pilot)
        await press(pilot, "r")
        assert "edited before" not in text_of(pilot.app), "epoch 0 knows no convergence"
        await press(pilot, "escape", "V", "r")
        told = f"{len(cells) - 1} of {len(cells)} cells edited before: convergence.lr=0.001"
        assert told in text_of(pilot.app)
        await press(pilot, "a")
        await until(pilot, lambda: "these cells run as planned" in text_of(pilot.app))
        assert "converge/villain#42" in text_of(pilot.app)
        assert "--as-planned" in text_of(pilot.app)
        await press(pilot, "right", "enter")
    [request] = requests_of(planned)
    assert (request["options"]["as_planned"], request["sets"]) == (True, {})
    assert "converge/villain#42" in request["jobs"]


def _epochs(root: Path) -> tuple[int, ...]:
    from tuilab.store.plan_file import load_plan

    return load_plan(root).epochs


async def test_a_cell_without_edits_says_so(planned: Path) -> None:
    async with app_of(planned).run_test(size=(80, 40)) as pilot:
        await look(pilot)
        await press(pilot, "r", "a")
        assert "these cells have no edits to take back" in text_of(pilot.app)


def _edit(root: Path, cells: list[str], sets: dict[str, Any]) -> None:
    from tuilab.engine.answer_requests import keep_edits, plan_with_edits
    from tuilab.store.plan_file import load_plan

    layout = Layout(root)
    plan, _ = plan_with_edits(layout, load_plan(root), cells, sets, False)
    keep_edits(layout, plan, cells, sets, False)
