"""Lines are measured and cut by columns."""

from __future__ import annotations

from tuilab.tui.present.styled_text import fit, plain, rule, sides, width, wrap


def test_lines_fit_wide_signs_and_cut_with_an_ellipsis() -> None:
    assert fit("日本語", 5) == "日本…"
    assert fit("abc", 5) == "abc  "
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("x" * 20, 8) == ["x" * 8, "x" * 8, "x" * 4]
    assert plain(sides((("left", ""),), (("right", ""),), 12)) == "left   right"
    assert width(rule("title", "tail", 40, "─")) == 40


def test_text_is_folded_also_where_there_is_no_room_at_all() -> None:
    assert wrap("ab c", -3) == wrap("ab c", 1) == ["a", "b", "c"]
