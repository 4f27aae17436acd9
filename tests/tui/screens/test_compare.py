"""Two experiments side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.tui.conftest import app_of, look, press, text_of

SIZE = (80, 24)


async def test_two_experiments_are_compared_cell_by_cell(
    copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    copy_of("half_way")
    copy_of("small")
    async with app_of(None, under=tmp_path).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "c")
        assert "mark two experiments with space" in text_of(pilot.app)
        await press(pilot, "space", "j", "space", "c")
        shown = text_of(pilot.app)
        assert "half_way" in shown.splitlines()[0]
        assert "3 cells measured in both" in shown
        assert "* 0 differ by more than chance (Holm over" in shown
        assert "Settings and training data are the same in both." in shown
        await press(pilot, "m", "escape", "escape")


async def test_two_experiments_without_a_common_cell_are_not_read_for_ever(
    copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    copy_of("empty")
    copy_of("small")
    async with app_of(None, under=tmp_path).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "space", "j", "space", "c")
        shown = text_of(pilot.app)
        assert "the two have no cell (source, epoch, seed) in common" in shown
        assert "reading" not in shown
        await press(pilot, "m")
        assert "nothing to compare" in text_of(pilot.app)
