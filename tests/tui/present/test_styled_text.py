"""Lines are measured and cut by columns."""

from __future__ import annotations

import shlex
import subprocess

from tuilab.tui.present.styled_text import (
    command_lines,
    fit,
    plain,
    rule,
    sides,
    width,
    wrap,
)


def test_lines_fit_wide_signs_and_cut_with_an_ellipsis() -> None:
    assert fit("日本語", 5) == "日本…"
    assert fit("abc", 5) == "abc  "
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("x" * 20, 8) == ["x" * 8, "x" * 8, "x" * 4]
    assert plain(sides((("left", ""),), (("right", ""),), 12)) == "left   right"
    assert width(rule("title", "tail", 40, "─")) == 40


def test_text_is_folded_also_where_there_is_no_room_at_all() -> None:
    assert wrap("ab c", -3) == wrap("ab c", 1) == ["a", "b", "c"]


def test_a_long_command_is_written_whole_and_a_shell_takes_its_rows() -> None:
    words = ["tuilab", "accept", "runs/a grid", *(f"nurse@{n}" for n in range(30)), "--why", "a b"]
    rows = [plain(line) for line in command_lines(shlex.join(words), 72)]
    assert len(rows) > 3 and rows[0].startswith(" $ tuilab accept 'runs/a grid' nurse@0 ")
    assert max(map(len, rows)) <= 72
    text = "\n".join(rows).removeprefix(" $ tuilab")
    told = subprocess.run(["sh", "-c", f"printf '%s\\n' {text}"], capture_output=True, text=True)
    assert told.stdout.splitlines() == words[1:]
    assert [plain(line) for line in command_lines("tuilab pause runs/tiny", 72)] == [
        " $ tuilab pause runs/tiny"
    ]


def test_a_command_that_has_no_room_at_all_shows_that_it_is_cut() -> None:
    rows = [plain(line) for line in command_lines("tuilab note " + "x" * 300, 40, most=2)]
    assert len(rows) == 2 and rows[1].endswith("…") and max(map(len, rows)) <= 40


def test_what_wrapping_leaves_out_is_seen() -> None:
    assert wrap("one two three", 7, 2) == ["one two", "three"]
    assert wrap("one two three four five", 9, 2) == ["one two", "three …"]
    assert wrap("one two three", 9, 1) == ["one two …"]
    assert wrap("one\ntwo", 9, 1) == ["one …"] and wrap("one", 9, 0) == []
