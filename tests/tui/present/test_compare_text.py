"""The words of the compare screen: what chance explains has no mark and no colour."""

from __future__ import annotations

from dataclasses import replace

from tuilab.cli.resolve import published_dir
from tuilab.science.intervals import difference
from tuilab.science.significance import Gap
from tuilab.store.reader import Reader
from tuilab.study.comparison import paired
from tuilab.tui.present.compare_text import beyond_text, compare_lines, difference_text


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
