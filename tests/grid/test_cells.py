"""Cells are named as people type them, and a name that means nothing says what would."""

from __future__ import annotations

import pytest

from tuilab.grid.cells import Cell, SelectorError, select, select_all

GRID = [
    Cell(source, epoch, seed)
    for source in ("villain", "med doctor")
    for seed in (42, 137)
    for epoch in (0, 2, 10)
]


@pytest.mark.parametrize("cell", GRID)
def test_a_cell_s_name_reads_back(cell: Cell) -> None:
    assert select(str(cell), GRID) == [cell]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("*", 12),
        ("", 12),
        ("villain", 6),
        ("villain@*", 6),
        ("villain@10", 2),
        ("*@0", 4),
        ("@0", 4),
        ("*@*#42", 6),
        ("villain#137", 3),
        ("med doctor@2#42", 1),
        (" villain@10#42 ", 1),
    ],
)
def test_a_selector_means_what_it_says(text: str, count: int) -> None:
    assert len(select(text, GRID)) == count


def test_a_selection_keeps_the_order_of_the_grid_and_names_nothing_twice() -> None:
    found = select_all(["*@10", "villain@0", "villain"], GRID)
    assert found == [cell for cell in GRID if cell.source == "villain" or cell.epoch == 10]


def test_no_selector_selects_everything() -> None:
    assert select_all([], GRID) == GRID


@pytest.mark.parametrize("text", ["pirate", "villain@1", "villain@0#1", "a@b@c", "villain@1O", "#"])
def test_a_selector_that_names_nothing_says_what_exists(text: str) -> None:
    if text == "#":
        assert select(text, GRID) == GRID
        return
    with pytest.raises(SelectorError, match=r"names no cell .*epochs 0, 2, 10|not a selector"):
        select(text, GRID)


def test_a_misspelt_source_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(SelectorError, match=r"did you mean villain\?"):
        select("vilain@0", GRID)
    with pytest.raises(SelectorError) as known:
        select("villain@1", GRID)
    assert "did you mean" not in str(known.value)
    with pytest.raises(SelectorError) as job:
        select("eval/villain@1", GRID)
    assert "did you mean" not in str(job.value)
