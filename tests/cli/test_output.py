"""What the command line prints: durations, sizes, one JSON document."""

from __future__ import annotations

import json

import pytest

from tuilab.cli.output import document


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
