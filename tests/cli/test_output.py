"""What the command line prints: durations, sizes, one JSON document."""

from __future__ import annotations

import io
import json
import sys

import pytest

from tuilab.cli.output import document, progress_bar


def test_a_document_is_one_line_per_key_and_entry_whatever_the_texts_hold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    value = {"cells": [{"a": '}, {"b": [{"'}, {"a": "ä\n"}], "none": [], "deep": {"x": [{"y": 1}]}}
    document(value)
    text = capsys.readouterr().out
    assert json.loads(text) == value
    assert text.splitlines()[1:4] == [
        ' "cells": [',
        '  {"a": "}, {\\"b\\": [{\\""},',
        '  {"a": "ä\\n"}],',
    ]


def test_a_document_holds_nothing_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"names": ["a\x1b[2J", "شرير ‏x", "b\u202ec", "d\x9b2J", "👩\u200d🚀", "悪役"]}
    document(value)
    text = capsys.readouterr().out
    assert json.loads(text) == value
    assert "悪役" in text
    assert not {"\x1b", "\u200f", "\u202e", "\x9b", "\u200d"} & set(text)


class Screen(io.StringIO):
    """A terminal that keeps all that is drawn on it."""

    def isatty(self) -> bool:
        return True


def test_a_bar_says_no_share_of_what_takes_nobody_knows_how_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A report that is made again for half of the time stood at 100 %, with 0:00:00 to go."""
    monkeypatch.setenv("TERM", "xterm")

    def last(*steps: tuple[int, int, str]) -> str:
        monkeypatch.setattr("sys.stderr", Screen())
        with progress_bar() as progress:
            for step in steps:
                progress(*step)
        return str(sys.stderr.getvalue()).rpartition(steps[-1][2])[2]  # type: ignore[attr-defined]

    assert "25%" in last((0, 0, "unpacking"), (1, 4, "counting"))
    assert "%" not in last((3, 4, "counting"), (0, 0, "making the report again"))
