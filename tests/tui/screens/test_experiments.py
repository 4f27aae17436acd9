"""The list of experiments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.tui.conftest import app_of, look, press, text_of, until
from tuilab.tui.screens.grid import GridScreen

SIZE = (80, 24)


async def test_the_list_of_experiments_opens_one(
    copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    copy_of("small")
    copy_of("one_by_one")
    (tmp_path / "runs" / "small" / "journal.jsonl").touch()
    async with app_of(None, under=tmp_path).run_test(size=SIZE) as pilot:
        await look(pilot)
        shown = text_of(pilot.app)
        assert "3/6" in shown
        assert "0/1" in shown
        await press(pilot, "p")
        assert "open an experiment first" in text_of(pilot.app)
        await press(pilot, "G", "enter")
        assert isinstance(pilot.app.screen, GridScreen)
        assert pilot.app.root in (tmp_path / "runs" / "small", tmp_path / "runs" / "one_by_one")


async def test_the_list_tells_of_a_shared_job_that_failed(
    copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    copy_of("no_data")
    async with app_of(None, under=tmp_path).run_test(size=SIZE) as pilot:
        await look(pilot)
        await until(pilot, lambda: "✗1 shared" in text_of(pilot.app))  # type: ignore[arg-type]


async def test_a_broken_experiment_is_listed_with_the_reason(
    copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    (copy_of("one_by_one") / "plan.json").write_text("{")
    async with app_of(None, under=tmp_path).run_test(size=SIZE) as pilot:
        await look(pilot)
        assert "is damaged" in text_of(pilot.app)
