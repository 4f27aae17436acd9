"""The words of a notice, and what a terminal is sent."""

from __future__ import annotations

from tuilab.grid.notices import Notice, finished, notices_of, terminal_sequence


def test_the_end_says_how_many_cells_are_done_and_what_became_of_the_others() -> None:
    assert finished("g", {"done": 4}) == Notice("done", "g: done", "all 4 cells")
    told = finished("g", {"done": 2, "stale": 1, "failed": 3, "waiting": 1})
    assert told == Notice("done", "g: finished, not complete", "3 of 7 cells are done, 3 failed")


def test_a_terminal_is_sent_the_sequence_that_it_knows_and_only_one() -> None:
    assert terminal_sequence("a", "b;c", {"TERM": "xterm-256color"}) == "\x1b]9;a: b,c\x1b\\"
    assert terminal_sequence("a", "b", {"TERM": "foot"}) == "\x1b]777;notify;a;b\x1b\\"
    through = terminal_sequence("a", "b", {"TERM": "tmux-256color", "TMUX": "/tmp/x"})
    assert through == "\x1bPtmux;\x1b\x1b]9;a: b\x1b\x1b\\\x1b\\"


def test_notices_are_read_back_from_the_journal() -> None:
    lines = [{"kind": "note"}, {"kind": "notified", "verb": "done", "title": "t", "text": "x"}]
    assert list(notices_of(lines)) == [Notice("done", "t", "x")]
