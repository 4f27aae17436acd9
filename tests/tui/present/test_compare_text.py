"""The words of the compare screen: what chance explains has no mark and no colour."""

from __future__ import annotations

from dataclasses import replace

from tuilab.cli.resolve import published_dir
from tuilab.science.intervals import difference
from tuilab.science.significance import Gap
from tuilab.store.reader import Reader
from tuilab.study.comparison import paired
from tuilab.tui.present.compare_text import (
    beyond_text,
    compare_lines,
    difference_text,
    epochs_shown,
    here_lines,
)
from tuilab.tui.present.styled_text import plain


def test_only_what_is_beyond_chance_is_marked_and_coloured() -> None:
    card = Reader(published_dir()).poll(0.0)
    far = Gap(difference(60, 100, 20, 200), p=0.001, p_holm=0.001)
    found = paired(card, card, "assistant_leakage")
    first = replace(found.cells[0], gap=far)
    row = compare_lines(replace(found, cells=(first, *found.cells[1:])), 78)[1]
    assert [text for text, _ in row[1:3]] == ["  +0*", "  +0 "]
    assert difference_text(-0.21, "assistant_leakage") == ("-21", "text")
    assert difference_text(-0.21, "assistant_leakage", beyond=True) == ("-21", "failed")
    assert difference_text(None, "assistant_leakage") == ("n/a", "missing")


def test_all_columns_of_a_full_grid_fit_80_columns() -> None:
    card = Reader(published_dir()).poll(0.0)
    lines = compare_lines(paired(card, card, "assistant_leakage"), 78)
    assert {sum(len(text) for text, _ in line) for line in lines} == {19 + 11 * 5}
    assert sum(len(text) for text, _ in beyond_text(77, 77)) <= 80


def test_the_cell_under_the_cursor_tells_both_values_and_never_a_difference_of_nothing() -> None:
    card = Reader(published_dir()).poll(0.0)
    found = paired(card, card, "assistant_leakage")
    here = next(one for one in found.cells if str(one.cell).startswith("villain@10"))
    counted = replace(here, gap=Gap(difference(60, 100, 20, 200), p=0.001, p_holm=0.001))
    values, apart = (plain(line) for line in here_lines(found, counted, ("old", "new")))
    assert values.endswith("first old 73.2%  second new 73.2%")
    assert apart == " difference +0.0 [+39.0, +59.7] (95%, counting only)"
    values, apart = map(plain, here_lines(found, replace(here, other=None), ("old", "new")))
    assert values.endswith("second new n/a")
    assert apart == " not measured in both: no difference"
    assert plain(here_lines(found, None, ("old", "new"))[0]) == " no cell of both here"


def test_epochs_without_room_are_reached_by_scrolling() -> None:
    card = Reader(published_dir()).poll(0.0)
    found = paired(card, card, "assistant_leakage")
    room = epochs_shown(40)
    head = plain(compare_lines(found, 40, first=len(found.epochs) - room)[0])
    assert head.split()[2:] == [str(epoch) for epoch in found.epochs[-room:]]
