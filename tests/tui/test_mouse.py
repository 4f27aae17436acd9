"""What the mouse does: never needed, and the same as the keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from tests.tui.conftest import app_of, look, numbers_shown, press, text_of
from tuilab.tui.screens.cell import CellScreen
from tuilab.tui.screens.plots import PlotsScreen
from tuilab.tui.screens.queue import QueueScreen

SIZE = (100, 30)


async def click_on(pilot: Pilot[object], text: str) -> None:
    """Click on the first place where a text stands."""
    for y, line in enumerate(text_of(pilot.app).splitlines()):  # type: ignore[arg-type]
        if (x := line.find(text)) >= 0:
            await pilot.click(offset=(x + len(text) // 2, y))
            await look(pilot)
            return
    raise AssertionError(f"{text!r} is not on the screen")


async def test_tabs_stages_and_hints_of_the_key_bar_are_clicked(
    copy_of: Callable[[str], Path],
) -> None:
    async with app_of(copy_of("half_way")).run_test(size=SIZE) as pilot:
        await look(pilot)
        await click_on(pilot, "queue")
        assert isinstance(pilot.app.screen, QueueScreen)
        await press(pilot, "escape", *["l"] * 5, "enter")
        screen = pilot.app.screen
        assert isinstance(screen, CellScreen) and screen.tab == "results"
        await click_on(pilot, " files ")
        assert screen.tab == "files"
        await click_on(pilot, "train")
        assert screen.job is not None and screen.job.stage == "train"


async def test_a_kind_of_plot_and_a_point_are_clicked() -> None:
    from importlib.resources import files

    async with app_of(Path(str(files("tuilab") / "published"))).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "p")
        screen = pilot.app.screen
        assert isinstance(screen, PlotsScreen)
        await click_on(pilot, " cosine ")
        await numbers_shown(pilot)
        assert screen.kind == "cosine"
        before = screen.cell
        await pilot.click("#plot", offset=(70, 4))
        await look(pilot)
        assert screen.cell != before


async def test_a_click_on_a_columns_head_sorts_by_it() -> None:
    from importlib.resources import files

    async with app_of(Path(str(files("tuilab") / "published"))).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "t")
        await click_on(pilot, "Peak [95%]")
        assert "▼Peak [95%]" in text_of(pilot.app)


async def test_a_click_ends_what_was_said_so_that_the_key_bar_can_be_clicked(
    copy_of: Callable[[str], Path],
) -> None:
    async with app_of(copy_of("half_way")).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "x")
        assert "none of these is running" in text_of(pilot.app)
        await pilot.click(offset=(30, 3))
        await look(pilot)
        await click_on(pilot, "queue")
        assert isinstance(pilot.app.screen, QueueScreen)
