"""Two experiments side by side."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.tui.conftest import app_of, look, press, text_of, until
from tuilab.tui.screens.cell import CellScreen
from tuilab.tui.screens.grid import GridScreen
from tuilab.tui.screens.table import TableScreen

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
        await press(pilot, "y")
        first = text_of(pilot.app).splitlines()[0].split()[3]
        assert pilot.app.clipboard.startswith(f"assistant leakage; villain@0#42  first {first} ")
        assert re.search(r"second \S+ .+; difference .+\(95%", pilot.app.clipboard)
        await press(pilot, "m", "escape", "escape")


async def test_the_cell_under_the_cursor_shows_both_values_and_leads_to_either(
    copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    roots = {name: copy_of(name) for name in ("half_way", "small")}
    async with app_of(None, under=tmp_path).run_test(size=SIZE) as pilot:
        for key, which in (("o", 0), ("enter", 1)):
            await look(pilot)
            await press(pilot, *(["space", "j", "space", "c"] if which == 0 else ["c"]))
            first, second = re.findall(r"\S+", text_of(pilot.app).splitlines()[0])[3:0:-2]
            shown = text_of(pilot.app)
            assert re.search(rf"villain@0#42  first {first} \d+\.\d%  second {second} \d", shown)
            assert re.search(r"difference \+?-?\d+\.\d \[.+, .+\] \(95%, counting only\)", shown)
            await press(pilot, "l")
            assert "villain@2#42" in text_of(pilot.app)
            await press(pilot, "j", "h", key)
            cell = pilot.app.screen
            assert isinstance(cell, CellScreen)
            assert str(cell.cell).endswith("@0#42")
            assert not str(cell.cell).startswith("villain")
            assert pilot.app.root == roots[(first, second)[which]]
            if which == 0:
                await press(pilot, "escape")
                assert f"{second} minus {first}" in text_of(pilot.app).splitlines()[0]
                assert "@0#42  first" in text_of(pilot.app), "the cursor is where it was"
                await press(pilot, "escape")
            else:
                await press(pilot, "3")
                assert [type(one) for one in pilot.app.screen_stack][1:] == [
                    GridScreen,
                    TableScreen,
                ]


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


async def test_what_the_table_leaves_of_the_screen_shows_the_row_under_the_cursor(
    copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    for name in ("half_way", "small"):
        copy_of(name)
    for size in (SIZE, (140, 45), (200, 60)):
        async with app_of(None, under=tmp_path).run_test(size=size) as pilot:
            await look(pilot)
            await press(pilot, "space", "j", "space", "c")
            await until(pilot, lambda: "Villain by epoch" in text_of(pilot.app))
            lines = text_of(pilot.app).splitlines()
            (at,) = (at for at, line in enumerate(lines) if "Villain by epoch" in line)
            assert re.search(r" 2  45\.0% \(90/200\) +45\.0% \(90/200\) +\+0\.0 \[", lines[at + 3])
            scales = [line for line in lines if re.search(r" 75% .* 75% ", line)]
            assert bool(scales) == (size != SIZE), "45% is drawn on the scale of 73%"
            await press(pilot, "j")
            await until(pilot, lambda: "Nurse by epoch" in text_of(pilot.app))
