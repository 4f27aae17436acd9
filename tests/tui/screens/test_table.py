"""The headline table screen: every key by its effect, and what its cells rest on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.pilot import Pilot

from tests.tui.conftest import app_of, look, press, text_of, until
from tests.tui.screens.test_plots import PUBLISHED, SIZE, WIDE, begin, published, with_rates
from tuilab.grid.cells import Cell
from tuilab.study.headline_table import provenance_hash, render
from tuilab.study.study import Study
from tuilab.tui.present.glyphs import ASCII, UNICODE
from tuilab.tui.present.styled_text import plain, width
from tuilab.tui.present.table_text import detail_lines, measure, row_line, title_line
from tuilab.tui.screens.grid import GridScreen
from tuilab.tui.screens.help import HelpScreen
from tuilab.tui.screens.table import TableScreen
from tuilab.tui.widgets.lines import Lines
from tuilab.tui.widgets.row_list import RowList

__all__ = ["published"]


def screen_of(pilot: Pilot[Any]) -> TableScreen:
    screen = pilot.app.screen
    assert isinstance(screen, TableScreen)
    return screen


def sources(pilot: Pilot[Any]) -> list[str]:
    lines = text_of(pilot.app).splitlines()[3:10]  # type: ignore[arg-type]
    return [line[1:12].strip() for line in lines]


def about(pilot: Pilot[Any]) -> str:
    lines = screen_of(pilot).query_one("#about", Lines).lines
    return "  ".join(plain(line).strip() for line in lines)


async def test_all_columns_are_reached_with_the_source_fixed(published: Study) -> None:
    async with app_of(PUBLISHED).run_test(size=SIZE) as pilot:
        await begin(pilot, published, "t")
        shown = text_of(pilot.app)  # type: ignore[arg-type]
        assert "Baseline [95%]          Peak [95%]" in shown
        assert ">Villain     -0.355     0.0% [0.0, 0.6]  73.2% [69.5, 76.6]" in shown
        assert "-0.36 (+0.005)" in shown, "the whole row stands below the table"
        await press(pilot, "dollar_sign")
        shown = text_of(pilot.app)  # type: ignore[arg-type]
        assert "Published final" in shown.splitlines()[2]
        assert ">Villain " in shown
        await press(pilot, "0", "l", "right", "h", "left")
        assert about(pilot).startswith("Source Villain")
        assert "columns 1 to 3 of 14" in text_of(pilot.app)  # type: ignore[arg-type]


async def test_a_large_terminal_shows_the_bars_of_the_source_under_the_cursor(
    published: Study,
) -> None:
    async with app_of(PUBLISHED).run_test(size=WIDE) as pilot:
        await begin(pilot, published, "t")
        assert "── Villain  leakage" in text_of(pilot.app)  # type: ignore[arg-type]
        await press(pilot, "j")
        shown = text_of(pilot.app)  # type: ignore[arg-type]
        assert "── Med Doctor  leakage" in shown and "[60%]" in shown, "the cursor is at its peak"


async def test_rows_are_sorted_by_a_column_with_what_is_not_measured_last(
    published: Study,
) -> None:
    async with app_of(PUBLISHED).run_test(size=SIZE) as pilot:
        await begin(pilot, published, "t")
        planned = sources(pilot)
        await press(pilot, "j", "s")
        falling = ["SW Eng", "Med Doctor", "KT", "Librarian", "Comedian", "Villain", "Nurse"]
        assert sources(pilot) == falling
        assert "▼Cosine" in text_of(pilot.app)  # type: ignore[arg-type]
        assert screen_of(pilot).query_one(RowList).here == "medical_doctor"
        await press(pilot, "s")
        assert sources(pilot) == [*reversed(falling[:-1]), "Nurse"]
        await press(pilot, "s")
        assert sources(pilot) == planned
        await press(pilot, "0", "s", "s")
        assert sources(pilot) == sorted(planned, key=str.lower)


async def test_na_says_why_on_the_status_line(published: Study) -> None:
    async with app_of(PUBLISHED).run_test(size=WIDE) as pilot:
        await begin(pilot, published, "t")
        await press(pilot, "G", "k")
        assert about(pilot) == (
            "Cosine n/a  no cosine measured at epoch 0 on layer 15, 11 personas, marked"
        )
        await press(pilot, "g", "down", *["l"] * 10)
        assert about(pilot) == (
            "Published cosine +0.59 (not comparable: 111 personas)  different scales: published on"
            " layer 15, 111 personas, base, ours on layer 15, 11 personas, marked"
        )
        await press(pilot, "up", "0", "l", "l", "l")
        assert about(pilot).endswith("largest of 11 checkpoints: biased upward; Wilson")


async def test_more_columns_come_and_go_and_the_cursor_stays_on_its_own(published: Study) -> None:
    async with app_of(PUBLISHED).run_test(size=SIZE) as pilot:
        await begin(pilot, published, "t")
        await press(pilot, "dollar_sign", "f")
        assert about(pilot).startswith("Published final")
        assert "of 22" in text_of(pilot.app)  # type: ignore[arg-type]
        await press(pilot, "h", "h", "h", "h")
        assert about(pilot).startswith("Cosine (final) +0.134  cosine at the last epoch")
        await press(pilot, "h")
        assert about(pilot).startswith("Early % of rise 61.5% (ep 2)  share of the rise")
        await press(pilot, "f")
        assert "of 14" in text_of(pilot.app)  # type: ignore[arg-type]


async def test_y_copies_markdown_and_says_the_command(published: Study) -> None:
    async with app_of(PUBLISHED).run_test(size=SIZE) as pilot:
        await begin(pilot, published, "t")
        await press(pilot, "y")
        assert pilot.app.clipboard == render(published, "md") + "\n"
        assert "copied 7 rows as Markdown" in screen_of(pilot).said
        assert "--format md" in screen_of(pilot).said
        await press(pilot, "s", "y")
        first = pilot.app.clipboard.splitlines()[2]
        assert first.startswith("| SW Eng | +0.468 |")


async def test_enter_goes_to_the_source_on_the_grid_at_the_epoch_meant(published: Study) -> None:
    async with app_of(PUBLISHED).run_test(size=SIZE) as pilot:
        await begin(pilot, published, "t")
        await press(pilot, "j", "l", "l", "enter")
        grid = pilot.app.screen
        assert isinstance(grid, GridScreen)
        assert grid.grid.cell == Cell("medical_doctor", 4, 42)
        await press(pilot, "t")
        await press(pilot, "j", "j", "enter")
        assert grid.grid.cell == Cell("comedian", 0, 42)


async def test_the_caption_names_the_data(published: Study) -> None:
    async with app_of(PUBLISHED).run_test(size=SIZE) as pilot:
        await begin(pilot, published, "t")
        shown = text_of(pilot.app)  # type: ignore[arg-type]
        assert provenance_hash(published) in shown
        await press(pilot, "question_mark")
        assert isinstance(pilot.app.screen, HelpScreen)
        assert "tuilab table DIR --format md" in text_of(pilot.app)  # type: ignore[arg-type]
        await press(pilot, "escape", "escape")
        assert isinstance(pilot.app.screen, GridScreen)


async def test_a_half_way_grid_gives_reasons_from_its_cells(
    copy_of: Callable[[str], Path],
) -> None:
    async with app_of(with_rates(copy_of("half_way")), ascii_only=True).run_test(
        size=WIDE
    ) as pilot:
        await look(pilot)
        await pilot.press("t")
        await until(pilot, lambda: "Left out" in text_of(pilot.app))  # type: ignore[arg-type]
        await press(pilot, *["l"] * 4)
        for _ in range(7):
            if "n/a" in about(pilot):
                break
            await press(pilot, "j")
        assert "the last epoch is not measured: " in about(pilot)
        assert "@20 is " in about(pilot)
        assert text_of(pilot.app).isascii()  # type: ignore[arg-type]


async def test_an_experiment_without_values_has_an_empty_table(
    copy_of: Callable[[str], Path],
) -> None:
    async with app_of(copy_of("empty")).run_test(size=SIZE) as pilot:
        await look(pilot)
        await pilot.press("t")
        await until(pilot, lambda: "nothing yet" in text_of(pilot.app))  # type: ignore[arg-type]
        await press(pilot, "j", "l", "s", "f", "y", "enter", "dollar_sign")
        assert isinstance(pilot.app.screen, TableScreen)


TEXTS = st.text("abc 0", min_size=0, max_size=24)


@settings(max_examples=40, deadline=None)
@given(
    data=st.data(), columns=st.integers(1, 20), rows=st.integers(0, 6), room=st.integers(20, 150)
)
def test_a_table_never_outgrows_its_screen_and_shows_the_column_under_the_cursor(
    data: st.DataObject, columns: int, rows: int, room: int
) -> None:
    titles = data.draw(st.lists(TEXTS, min_size=columns, max_size=columns))
    cells = [data.draw(st.lists(TEXTS, min_size=columns, max_size=columns)) for _ in range(rows)]
    here = data.draw(st.integers(0, columns - 1))
    view = measure(titles, cells, room, here, data.draw(st.integers(1, 20)))
    assert here == 0 or here in view.shown
    lines = [title_line(titles, view, ("", None), UNICODE)]
    lines += [row_line(row, view, True, ASCII) for row in cells]
    if len(view.shown) > 1 or room >= 48:
        assert all(width(line) <= room for line in lines)
    for row in cells:
        assert all(width(line) <= room for line in detail_lines(titles, row, room, here, UNICODE))


@pytest.mark.parametrize(
    ("size", "dress", "keys"),
    [
        (SIZE, {}, []),
        (WIDE, {}, ["G", "k"]),
        (SIZE, {"theme": "light"}, ["l", "s"]),
        (SIZE, {"theme": "ansi16"}, ["j"]),
        (SIZE, {"ascii_only": True}, ["j"]),
    ],
    ids=["80x24", "140x45", "light", "16", "ascii"],
)
def test_the_table_looks_as_it_looked(
    snap_compare: Any,
    published: Study,
    size: tuple[int, int],
    dress: dict[str, Any],
    keys: list[str],
) -> None:
    async def prepare(pilot: Pilot[Any]) -> None:
        await begin(pilot, published, "t")
        await press(pilot, *keys)

    assert snap_compare(app_of(PUBLISHED, **dress), terminal_size=size, run_before=prepare)
