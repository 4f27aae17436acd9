"""A line's name says what it has of its own, is typed without quoting, and reads back."""

from __future__ import annotations

import pytest

from tuilab.grid.cells import Cell, SelectorError, select
from tuilab.grid.lines import fits, is_named, name_of, parts_of, persona_of

LINES = [
    "villain",
    "villain,marker.lr=1e-05",
    "villain/B0",
    "villain/B0,data.seed=7,marker.lr=1e-05",
    "villainess",
    "org/model",
]
GRID = [Cell(line, epoch, 42) for line in LINES for epoch in (0, 4)]


@pytest.mark.parametrize("line", LINES)
def test_a_name_is_made_of_its_parts(line: str) -> None:
    persona, arm, levels = parts_of(line)
    values = {"data.seed": 7, "marker.lr": 1e-5}
    own = {one.partition("=")[0]: values[one.partition("=")[0]] for one in levels}
    assert name_of(persona, arm, own) == line


def test_a_whole_number_has_one_name_however_it_was_written() -> None:
    name = name_of("villain", levels={"marker.max_grad_norm": 2.0})
    assert name == name_of("villain", levels={"marker.max_grad_norm": 2})
    for text in ("2", "2.0", "2e0"):
        assert fits(f"villain,marker.max_grad_norm={text}", name)


def test_keys_of_personas_with_slashes_commas_and_equal_signs_are_names_of_their_own() -> None:
    for key in ("org/model", "a,b", "x=1", "a,b=c", "B0", "../x", "new\nline"):
        assert persona_of(key) == key and not is_named(key)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("villain", ["villain"]),
        ("villain/B", ["villain"]),
        ("villain*", LINES[:5]),
        ("villain/B0*", LINES[2:4]),
        ("/B0", LINES[2:4]),
        ("/B", [LINES[0], LINES[1], LINES[4], LINES[5]]),
        (",marker.lr=0.00001", [LINES[1], LINES[3]]),
        ("villain/B0@4#42,marker.lr=1e-5,data.seed=7", [LINES[3]]),
        ("villain/B0,marker.lr=1e-5,data.seed=7@*", [LINES[3]]),
        ("*@4", LINES),
    ],
)
def test_a_selector_says_arm_and_levels_in_any_way_that_people_type(
    text: str, lines: list[str]
) -> None:
    assert list(dict.fromkeys(cell.source for cell in select(text, GRID))) == lines


@pytest.mark.parametrize("cell", GRID)
def test_the_name_of_a_cell_names_it_alone(cell: Cell) -> None:
    assert select(str(cell), GRID) == [cell]


def test_a_level_that_no_line_has_says_what_exists() -> None:
    with pytest.raises(SelectorError, match="sources villain, villain,marker"):
        select("villain@4,marker.lr=2e-5", GRID)


def test_a_pattern_means_nothing_but_its_stars() -> None:
    assert fits("v*n", "villain") and not fits("v.*", "villain") and not fits("[v]*", "villain")
