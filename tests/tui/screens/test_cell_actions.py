"""Relaunch, relaunch all failed and stop, from whichever screen."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agreement.compare import document, jobs_of, twin
from tests.agreement.folders import OVER, one_open
from tests.store.scene import ALIVE
from tests.tui.conftest import app_of, look, press, requests_of, text_of
from tuilab.store.journal import Journal
from tuilab.store.layout import Layout
from tuilab.tui.app import TuilabApp

SIZE = (80, 24)
BROKEN = ["eval/nurse@2#42", "cosine/nurse@2#42"]
"""The failed stage, and the one that nobody has asked for yet."""


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
        assert "no cell is failed, lost, suspect or stale" in text_of(pilot.app)


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
        assert "train/villain@4#42 is running: stop it first (x)" in text_of(pilot.app)
    assert requests_of(experiment) == []


async def test_a_held_job_says_that_the_breaker_holds_it(experiment: Path) -> None:
    Journal(Layout(experiment)).append(
        "held", jobs=BROKEN[:1], why="3 attempts in a row ended the same way (gpu-oom)"
    )
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "r")
        assert "held: 3 attempts in a row ended the same way (gpu-oom)" in text_of(pilot.app)
        await press(pilot, "escape")
        assert "held: 3 attempts in a row" in text_of(pilot.app).splitlines()[-1]


async def test_x_stops_what_runs_after_saying_so(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "$", "x")
        shown = text_of(pilot.app)
        assert "train/villain@4#42  stops now at 30%" in shown
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
        assert "none of these is running, queued or waiting" in text_of(pilot.app)


async def test_what_a_dialog_asks_for_is_what_its_command_line_would_do(tmp_path: Path) -> None:
    """Left by an engine that died before it recorded an end; the relaunch is by every key."""
    folder = one_open(tmp_path / "x", OVER["failed, unsettled"], ALIVE, place=7)
    root, failed = folder.scene.root, list(folder.scene.plan.by_id)[7]
    app = TuilabApp(root, poll_seconds=None, now=time.time())
    async with app.run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "R", "right", "enter")
        await press(pilot, "e", "r", "right", "enter")
        await press(pilot, "e", "r", *["f"] * 4, "right", "enter")
        await press(pilot, "G", "$", "x", "right", "enter")
    *relaunches, stop = requests_of(root)
    assert [request["verb"] for request in relaunches] == ["relaunch"] * 3
    for request in relaunches:
        assert failed in request["jobs"]
        assert jobs_of(twin(request["options"]["command"])).keys() == set(request["jobs"])
    told = document(*twin(stop["options"]["command"]), "--dry-run")
    assert sorted(told["ends"] + told["takes_back"]) == sorted(stop["jobs"])


ANSWERS = {
    "P": "Soft pause",
    "$ h x": "Stop",
    "j j l l A x": "Accept",
    "+ 1": "Grow",
    "n x": "Save",
    "j e r": "Start",
}


@pytest.mark.parametrize("size", [(40, 12), (60, 16), (80, 24)], ids=str)
async def test_answers_and_command_of_a_dialog_are_seen_at_every_size(
    copy_of: Callable[[str], Path], size: tuple[int, int]
) -> None:
    root = copy_of("half_way")
    for keys, answer in ANSWERS.items():
        async with app_of(root).run_test(size=size) as pilot:
            await look(pilot)
            await press(pilot, *keys.split())
            await pilot.app.workers.wait_for_complete()
            shown = text_of(pilot.app)
            assert "[ Cancel ]" in shown and answer in shown.partition("[ Cancel ]")[2], shown
            assert " $ tuilab " in shown or keys == "+ 1", shown
