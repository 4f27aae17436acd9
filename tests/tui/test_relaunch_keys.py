"""Relaunch, stop and pause: what the dialogs list is what is asked for on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tui.conftest import app_of, look, press, requests_of, text_of
from tuilab.grid.cells import Cell
from tuilab.store.layout import Layout
from tuilab.tui.present.farewell import farewell
from tuilab.tui.screens.relaunch import RelaunchDialog

SIZE = (80, 24)
BROKEN = ["eval/nurse@2#42", "cosine/nurse@2#42"]
"""The failed stage, and the one that nobody has asked for yet."""


async def test_r_lists_the_jobs_and_start_asks_for_exactly_these(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "r")
        shown = text_of(pilot.app)
        assert "eval/nurse@2#42    attempt 2  took 03:12  failed" in shown
        assert "cosine/nurse@2#42  attempt 1  never ran   never asked for" in shown
        assert "kept: results of train, merge, and every earlier attempt" in shown
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
        assert "resumes attempt 1" in text_of(pilot.app)
        await press(pilot, "f")
        shown = text_of(pilot.app)
        assert "< the first broken stage (train), from scratch >" in shown
        assert "resumes attempt 1" not in shown
        assert "$ tuilab relaunch runs/unfinished villain@2 --restart" in shown
        await press(pilot, "right", "enter")
    [request] = requests_of(root)
    assert request["options"]["restart"] is True
    assert request["options"]["command"][-1] == "--restart"
    assert request["jobs"][0] == train
    assert request["from_stage"] is None


async def test_capital_r_takes_all_that_failed(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "R")
        assert "$ tuilab relaunch runs/small --failed" in text_of(pilot.app)
        await press(pilot, "right", "enter")
    [request] = requests_of(experiment)
    assert request["jobs"] == BROKEN


async def test_a_failed_shared_job_is_told_and_offered_where_cells_wait_for_it(
    copy_of: Callable[[str], Path],
) -> None:
    root = copy_of("no_data")
    blocked = [f"{stage}/villain@0#42" for stage in ("train", "merge", "eval", "cosine")]
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        shown = text_of(pilot.app)
        assert "1 shared job failed" in shown.splitlines()[0]
        assert "◌ data/villain failed (data-mismatch): R relaunches it" in shown
        assert "0 of 8 questions are left" in shown
        assert "log data/villain attempt 1" in shown
        assert "ERROR no question is left for villain" in shown
        await press(pilot, "enter")
        assert "[data ✗ 12s]" in text_of(pilot.app)
        await press(pilot, "r", "right", "enter", "escape", "R", "right", "enter")
    one, all_failed = requests_of(root)
    assert one["jobs"] == ["data/villain", *blocked]
    assert set(all_failed["jobs"]) > set(one["jobs"])
    assert "converge/villain#42" in all_failed["jobs"]


async def test_capital_r_says_when_nothing_failed(copy_of: Callable[[str], Path]) -> None:
    async with app_of(copy_of("one_by_one")).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "R")
        assert "nothing is failed, lost or suspect" in text_of(pilot.app)


async def test_marked_cells_are_relaunched_together(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "C", "r")
        assert "Relaunch 2 cells" in text_of(pilot.app)
        await press(pilot, "right", "enter")
    [request] = requests_of(experiment)
    assert request["cells"] == ["villain@0#42", "nurse@0#42"]
    assert len(request["jobs"]) == 8


async def test_a_running_cell_cannot_be_relaunched_and_the_status_line_says_why(
    experiment: Path,
) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "$", "r")
        assert "train/villain@4#42 is running: stop it first" in text_of(pilot.app)
    assert requests_of(experiment) == []


async def test_a_held_job_says_that_the_breaker_holds_it(experiment: Path) -> None:
    _journal(experiment).append(
        "held", jobs=BROKEN[:1], why="3 attempts in a row ended the same way (gpu-oom)"
    )
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "r")
        assert "held: 3 attempts in a row ended the same way (gpu-oom)" in text_of(pilot.app)
        await press(pilot, "escape")
        assert "held: 3 attempts in a row" in text_of(pilot.app).splitlines()[-1]


def _journal(root: Path) -> Any:
    from tuilab.store.journal import Journal

    return Journal(Layout(root))


async def test_the_dialog_names_its_own_keys(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "r")
        bar = text_of(pilot.app).splitlines()[-1]
        for words in ("esc no", "e edit", "f from stage", "a as planned", "? help"):
            assert words in bar
        await press(pilot, "question_mark")
        assert "Keys of the relaunch dialog" in text_of(pilot.app)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, RelaunchDialog)


async def test_x_stops_what_runs_after_saying_so(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "$", "x")
        shown = text_of(pilot.app)
        assert "train/villain@4#42  is ended now at 30%" in shown
        assert "eval/villain@4#42  leaves the queue" in shown
        assert "$ tuilab stop runs/small villain@4" in shown
        await press(pilot, "right", "enter")
    [request] = requests_of(experiment)
    assert request["verb"] == "stop"
    assert request["jobs"] == [
        f"{stage}/villain@4#42" for stage in ("train", "merge", "eval", "cosine")
    ]


async def test_x_says_when_there_is_nothing_to_stop(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "x")
        assert "nothing of it is running, queued or waiting" in text_of(pilot.app)


async def test_capital_p_pauses_softly_or_hard(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "P")
        assert "$ tuilab pause runs/small --hard" in text_of(pilot.app)
        await press(pilot, "right", "enter")
        await press(pilot, "P", "right", "right", "enter")
    asked = [(request["verb"], request["options"]["mode"]) for request in requests_of(experiment)]
    assert asked == [("pause", "soft"), ("pause", "hard")]
    assert requests_of(experiment)[1]["options"]["command"][-1] == "--hard"


async def test_capital_p_resumes_what_is_paused(copy_of: Callable[[str], Path]) -> None:
    root = copy_of("hostile")
    _journal(root).append("paused", mode="soft")
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "P", "right", "enter")
    [request] = requests_of(root)
    assert request["verb"] == "resume"


READ_ONLY = ("r", "R", "x", "P", "S")


async def test_read_only_says_why_and_asks_for_nothing(experiment: Path) -> None:
    async with app_of(experiment, read_only=True).run_test(size=SIZE) as pilot:
        await look(pilot)
        assert "read-only" in text_of(pilot.app).splitlines()[0]
        for key in READ_ONLY:
            await press(pilot, "e", key)
            assert (key, "read-only" in pilot.app.screen.said) == (key, True)  # type: ignore[attr-defined]
        await press(pilot, "4", "K", "H", "x")
        assert "read-only" in pilot.app.screen.said  # type: ignore[attr-defined]
    assert requests_of(experiment) == []


async def test_a_relaunch_starts_the_engine_when_there_is_none(
    copy_of: Callable[[str], Path],
) -> None:
    root = copy_of("one_by_one")
    started: list[Path] = []
    app = app_of(root, start_engine=started.append)
    async with app.run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "r")
        assert "no engine is running: it is started with them" in text_of(app)
        await press(pilot, "right", "enter")
    assert started == [root]
    assert [request["cells"] for request in requests_of(root)] == [["villain@0#42"]]


async def test_a_wish_that_no_engine_reads_yet_says_so(copy_of: Callable[[str], Path]) -> None:
    root = copy_of("one_by_one")
    _journal(root).append("wanted", jobs={"train/villain@0#42": 1}, verb="run")
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "u", "H")
        assert "read when an engine runs, S starts one" in text_of(pilot.app)
    assert [request["verb"] for request in requests_of(root)] == ["hold"]


async def test_capital_s_starts_the_engine(copy_of: Callable[[str], Path]) -> None:
    root = copy_of("one_by_one")
    started: list[Path] = []
    app = app_of(root, start_engine=started.append)
    async with app.run_test(size=SIZE) as pilot:
        await look(pilot)
        assert "no engine, nothing queued" in text_of(app)
        await press(pilot, "S")
    assert started == [root]


def test_cells_are_named_by_as_few_selectors_as_the_grid_allows() -> None:
    from tuilab.tui.present.cli_equivalent import selectors

    grid = [Cell(source, epoch, 42) for source in ("a", "b") for epoch in (0, 2)]
    assert selectors(grid[:2], grid) == ["a@*"]
    assert selectors(grid[1:3], grid) == ["a@2", "b@0"]
    two_seeds = [*grid, Cell("a", 0, 43)]
    assert selectors(grid[:1], two_seeds) == ["a@0#42"]


async def test_what_the_engine_refuses_is_said_on_the_status_line(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "r", "right", "enter")
        [request] = requests_of(experiment)
        _journal(experiment).append(
            "request", id=request["id"], verb="relaunch", accepted=False, why="it is running [/x]"
        )
        await look(pilot)
        assert "refused: it is running [/x]" in text_of(pilot.app)


async def test_results_without_a_plan_cannot_be_run(tmp_path: Path) -> None:
    from importlib.resources import files

    root = Path(str(files("tuilab") / "published"))
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        shown = text_of(pilot.app)
        assert "77/77" in shown
        assert "imported from measurements.csv of card EPS-109" in shown
        assert "an imported measurement: its log is not here" in shown
        assert "attempt" not in shown
        assert "engine" not in shown
        assert "relaunch" not in shown.splitlines()[-1]
        for key in ("r", "R", "x", "P", "S"):
            await press(pilot, key)
            assert "results without a plan" in text_of(pilot.app)
        await press(pilot, "u")
        assert "results without a plan" in text_of(pilot.app)
        assert "hold" not in text_of(pilot.app).splitlines()[-1]
        assert pilot.app.snapshot is not None  # type: ignore[attr-defined]
        left = farewell(root, pilot.app.snapshot)  # type: ignore[attr-defined]
        assert left == "Left; 77 of 77 cells are measured.\ncome back with: tuilab published"


def test_an_unknown_theme_is_refused_with_the_known_ones(
    experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tuilab.tui import run

    assert run(experiment, theme="solarised") == 2
    assert "dark, light, ansi16" in capsys.readouterr().err
