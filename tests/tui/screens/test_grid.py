"""Keys of the grid that move, mark and change the view."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui.conftest import app_of, look, press, text_of, until
from tuilab.grid.cells import Cell
from tuilab.grid.metrics import HEADLINE, METRICS
from tuilab.tui.present.grid_table import Order, Zoom
from tuilab.tui.screens.grid import GridScreen

SIZE = (80, 24)
MOVES = {
    "l": Cell("villain", 2, 42),
    "right": Cell("villain", 2, 42),
    "l h": Cell("villain", 0, 42),
    "right left": Cell("villain", 0, 42),
    "j": Cell("nurse", 0, 42),
    "down up": Cell("villain", 0, 42),
    "j k": Cell("villain", 0, 42),
    "G": Cell("nurse", 0, 42),
    "G g": Cell("villain", 0, 42),
    "$": Cell("villain", 4, 42),
    "end 0": Cell("villain", 0, 42),
    "pagedown": Cell("nurse", 0, 42),
    "e": Cell("nurse", 2, 42),
    "$ E": Cell("nurse", 2, 42),
}


async def test_the_cursor_goes_where_the_keys_say(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, GridScreen)
        for keys, cell in MOVES.items():
            await press(pilot, "g", "0", *keys.split())
            assert (keys, screen.grid.cell) == (keys, cell)


async def test_marks_are_set_and_taken_back(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, GridScreen)
        await press(pilot, "space", "l", "space")
        assert screen.chosen() == [Cell("villain", 0, 42), Cell("villain", 2, 42)]
        await press(pilot, "space")
        assert screen.chosen() == [Cell("villain", 0, 42)]
        await press(pilot, "V")
        assert [cell.epoch for cell in screen.chosen()] == [0, 2, 4]
        await press(pilot, "escape", "C")
        assert screen.chosen() == [Cell("villain", 2, 42), Cell("nurse", 2, 42)]
        await press(pilot, "escape", "shift+right", "shift+down")
        assert screen.chosen() == [
            Cell(source, epoch, 42) for source in ("villain", "nurse") for epoch in (2, 4)
        ]
        assert "4 marked" in text_of(pilot.app)
        await press(pilot, "escape")
        assert screen.chosen() == [Cell("nurse", 4, 42)]


async def test_m_shows_every_metric_in_turn(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, GridScreen)
        shown = []
        for title in ("source%", "bystander%", "excess pp", "cosine", "minutes", "leakage%"):
            await press(pilot, "m")
            assert title in text_of(pilot.app).splitlines()[1]
            shown.append(screen.view.metric)
        assert shown == [*list(METRICS)[1:], HEADLINE]


async def test_z_zooms_out_in_three_steps(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, GridScreen)
        assert "45%" in text_of(pilot.app)
        await press(pilot, "z")
        assert screen.view.zoom is Zoom.DIGITS
        assert "[0]45  ▶" in text_of(pilot.app)
        await press(pilot, "z")
        assert screen.view.zoom is Zoom.COLUMN
        await press(pilot, "c")
        assert "▄" in text_of(pilot.app)
        await press(pilot, "z")
        assert screen.view.zoom is Zoom.VALUE


async def test_o_sorts_rows_and_the_cursor_stays_on_its_cell(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, GridScreen)
        await press(pilot, "O")
        assert screen.view.order is Order.NAME
        assert [row.label for row in screen.grid.table.rows] == ["Nurse", "Villain"]
        assert screen.grid.cell == Cell("villain", 0, 42)
        await press(pilot, "O", "O")
        assert screen.view.order is Order.FAILURES
        assert screen.grid.table.rows[0].source == "nurse"


async def test_s_stacks_seeds_or_shows_their_mean_or_one(copy_of: Callable[[str], Path]) -> None:
    async with app_of(copy_of("several_seeds")).run_test(size=SIZE) as pilot:
        await look(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, GridScreen)
        assert len(screen.grid.table.rows) == 9
        await press(pilot, "j", "l", "s")
        assert len(screen.grid.table.rows) == 3
        assert "mean 20% over 3 of 3 seeds, 10% to 30%, sd 10 points" in text_of(pilot.app)
        await press(pilot, "enter")
        assert "this is a mean over seeds" in text_of(pilot.app)
        await press(pilot, "r")
        assert pilot.app.screen is screen
        assert "no cell selected" in text_of(pilot.app)
        await press(pilot, "x")
        assert "none of these is running" in text_of(pilot.app)
        await press(pilot, "s", "s")
        assert [row.seed for row in screen.grid.table.rows] == [2, 2, 2]
        await press(pilot, "s", "s")
        assert len(screen.grid.table.rows) == 9


async def test_s_says_so_when_there_is_one_seed(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "s")
        assert "only one seed" in text_of(pilot.app)


async def test_a_filter_is_applied_as_it_is_typed_and_escape_clears_it(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, GridScreen)
        await press(pilot, "slash", *"failed")
        assert [row.source for row in screen.grid.table.rows] == ["nurse"]
        await press(pilot, "enter")
        assert "filter failed: 1 row" in text_of(pilot.app)
        await press(pilot, "escape")
        assert len(screen.grid.table.rows) == 2


async def test_escape_in_the_field_leaves_the_filter_as_it_was(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "slash", *"failed", "enter", "slash", *" epoch>2", "escape")
        assert "filter failed: 1 row" in text_of(pilot.app)
        await press(pilot, "escape", "slash", *"running", "escape")
        assert "filter" not in text_of(pilot.app)


FILTERS = {
    "cosine>-.4": (1, [0, 2, 4]),
    "cosine<=-0.3": (2, [0, 2, 4]),
    "bystander>20": (1, [0, 2, 4]),
    "source>50%": (2, [0, 2, 4]),
    "minutes>1000": (0, [0, 2, 4]),
    "epoch>=2": (2, [2, 4]),
    "villain": (1, [0, 2, 4]),
    "leakage>40%": (1, [0, 2, 4]),
    "running": (1, [0, 2, 4]),
    "nothing-like-this": (0, [0, 2, 4]),
}


async def test_filters_choose_rows_and_columns(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, GridScreen)
        for typed, (rows, epochs) in FILTERS.items():
            await pilot.press("slash")
            screen.query_one("#filter", Input).value = typed
            await press(pilot, "enter")
            assert (typed, len(screen.grid.table.rows)) == (typed, rows)
            assert (typed, list(screen.grid.table.epochs)) == (typed, epochs)


async def test_a_filter_that_cannot_be_read_says_what_would_be(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "slash", *"epoch>x", "enter")
        assert "is not a comparison" in text_of(pilot.app)


async def test_the_story_and_the_log_follow_the_cursor(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e")
        shown = text_of(pilot.app)
        assert "✗ gpu-oom in eval after 3m12s, attempt 1" in shown
        assert "CUDA out of memory: tried to allocate 2.30 GiB" in shown
        assert "ERROR Tried to allocate 2.30 GiB [rank0] [/path]" in shown
        await press(pilot, "$", "k")
        shown = text_of(pilot.app)
        assert "▶ train 30%" in shown
        assert "step 30" in shown


async def test_a_growing_log_is_followed_until_f_stands_still(experiment: Path) -> None:
    log = experiment / "jobs/train/villain/seed-42/epoch-4/attempt-1/log.txt"
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "$")
        with log.open("a") as file:
            file.writelines(f"step {number}\n" for number in range(31, 90))
        await look(pilot)
        assert "step 89" in text_of(pilot.app)
        await press(pilot, "F")
        with log.open("a") as file:
            file.writelines(f"step {number}\n" for number in range(90, 200))
        await look(pilot)
        assert "step 199" not in text_of(pilot.app)
        await press(pilot, "F")
        assert "step 199" in text_of(pilot.app)


async def test_the_mouse_moves_the_cursor_and_opens_a_cell(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, GridScreen)
        await pilot.click("#grid", offset=(20, 2))
        await look(pilot)
        assert screen.grid.cell == Cell("nurse", 2, 42)
        await pilot.click("#grid", offset=(20, 2), times=2)
        await look(pilot)
        assert type(pilot.app.screen).__name__ == "CellScreen"


@pytest.mark.parametrize("name", ["empty", "hostile"])
async def test_every_grid_survives_every_key(copy_of: Callable[[str], Path], name: str) -> None:
    keys = "h j k l g G 0 $ e E m z z s O space V C shift+right escape F y S P escape"
    async with app_of(copy_of(name)).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, *keys.split())
        assert text_of(pilot.app).strip()


async def test_the_rule_tells_which_rows_are_seen_only_when_some_are_not(
    experiment: Path, tmp_path: Path
) -> None:
    from tests.tui.examples import large

    for app, words in (
        (app_of(experiment), None),
        (app_of(tmp_path, source=lambda root: large(root, 40, 12)), "rows 1-13 of 40"),
    ):
        async with app.run_test(size=SIZE) as pilot:
            await look(pilot)
            await press(pilot, "l")
            shown = text_of(app)
            assert ("rows " in shown) is (words is not None)
            assert words is None or words in shown


async def test_newcomers_are_greeted_until_the_first_key(experiment: Path, tmp_path: Path) -> None:
    note = tmp_path / "state" / "tuilab" / "greeted"
    note.unlink()
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        assert "Welcome." in text_of(pilot.app)
        await press(pilot, "j")
        assert "Welcome." not in text_of(pilot.app)
    assert note.exists()


async def test_a_filter_that_finds_nothing_leaves_no_other_cell_in_sight(
    copy_of: Callable[[str], Path],
) -> None:
    async with app_of(copy_of("half_way")).run_test(size=(140, 45)) as pilot:
        await look(pilot)
        await until(pilot, lambda: "Villain · epoch 0: leakage" in text_of(pilot.app))
        assert "Villain  leakage" in text_of(pilot.app)
        await press(pilot, "slash", *"zzz")
        await until(pilot, lambda: "Villain" not in text_of(pilot.app).partition("events")[0])
        assert "no cell matches the filter" in text_of(pilot.app)
