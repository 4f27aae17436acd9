"""The queue screen: jobs are moved, held, released, stopped and opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.tui.conftest import app_of, look, press, requests_of, text_of
from tuilab.tui.screens.cell import CellScreen

SIZE = (80, 24)


async def test_the_queue_is_reordered_held_and_stopped(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "u")
        shown = " ".join(text_of(pilot.app).split())
        assert "▶ villain@4#42 train" in shown
        assert "1 ◌ merge waits for train/villain@4#42" in shown or "1 ◌ merge ends" in shown
        assert "GPU0 NVIDIA H200" in shown
        await press(pilot, "j", "j", "j", "j", "T")
        assert "1 ○ nurse@4#42 train" in " ".join(text_of(pilot.app).split())
        await press(pilot, "J")
        await press(pilot, "H")
        await press(pilot, "x", "right", "enter")
    order, later, hold, stop = requests_of(experiment)
    assert (order["verb"], order["jobs"]) == ("order", ["train/nurse@4#42"])
    assert (later["verb"], later["jobs"]) == ("order", ["merge/villain@4#42", "train/nurse@4#42"])
    assert (hold["verb"], hold["jobs"]) == ("hold", ["train/nurse@4#42"])
    twins = [request["options"]["command"][3:] for request in (order, later, hold)]
    assert twins == [
        ["--first", "train/nurse@4#42"],
        ["--first", "merge/villain@4#42", "--first", "train/nurse@4#42"],
        ["--hold", "train/nurse@4#42"],
    ]
    assert (stop["verb"], stop["jobs"]) == ("stop", ["train/nurse@4#42"])


async def test_a_short_queue_leaves_its_rows_to_the_events(copy_of: Callable[[str], Path]) -> None:
    async with app_of(copy_of("unfinished")).run_test(size=(140, 45)) as pilot:
        await look(pilot)
        await press(pilot, "u")
        lines = text_of(pilot.app).splitlines()
        at = next(at for at, line in enumerate(lines) if " events " in line)
        assert len([line for line in lines[at + 1 : -1] if line.strip()]) > 6


async def test_a_held_job_is_released_by_the_same_key(experiment: Path) -> None:
    from tuilab.store.journal import Journal
    from tuilab.store.layout import Layout

    Journal(Layout(experiment)).append("held", jobs=["train/nurse@4#42"], why="by ada")
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "u", "G", "k", "k", "k")
        assert "held: by ada" in text_of(pilot.app)
        await press(pilot, "H")
    assert [request["verb"] for request in requests_of(experiment)] == ["release"]


async def test_what_waits_shows_that_it_is_held_and_is_released_too(experiment: Path) -> None:
    from tuilab.store.journal import Journal
    from tuilab.store.layout import Layout

    Journal(Layout(experiment)).append("held", jobs=["merge/villain@4#42"], why="by ada")
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "u", "j")
        assert "1 ◌ merge held: by ada" in " ".join(text_of(pilot.app).split())
        await press(pilot, "H")
    assert [request["verb"] for request in requests_of(experiment)] == ["release"]


async def test_a_job_that_a_worker_was_given_is_first_in_the_queue_and_stays_there(
    experiment: Path,
) -> None:
    from tuilab.store.journal import Journal
    from tuilab.store.layout import Layout

    job = "train/nurse@4#42"
    told = {"attempt": 1, "token": "t", "fingerprint": "f", "worker": "w0-83f88f39"}
    Journal(Layout(experiment)).append("claimed", job=job, **told)
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "u", "j")
        [row] = [line for line in text_of(pilot.app).splitlines() if "   1 ○" in line]
        assert "nurse@4#42" in row and "next on worker w0" in row
        assert "▶1" in text_of(pilot.app)
        for key in "TJH":
            await press(pilot, key)
            assert f"{job} is already next on a worker" in text_of(pilot.app)
        await press(pilot, "x")
        assert f"{job}  leaves the queue" in text_of(pilot.app)
        assert f"$ tuilab stop runs/small '{job}'" in text_of(pilot.app)
        await press(pilot, "escape", "1", "P")
        assert "1 running job" in text_of(pilot.app)
    assert requests_of(experiment) == []


async def test_enter_on_a_queued_job_opens_its_cell(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "4", "enter")
        assert isinstance(pilot.app.screen, CellScreen)
        assert str(pilot.app.screen.cell) == "villain@4#42"
