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
