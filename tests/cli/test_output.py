"""What the command line prints: durations, sizes, one JSON document."""

from __future__ import annotations

import json

import pytest

from tuilab.cli.output import count_of, document, duration, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "n/a"),
        (0.31, "0.3s"),
        (59.4, "59s"),
        (61, "1m01s"),
        (7260, "2h01"),
        (90000, "1d01h"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_sizes_and_counts() -> None:
    assert (size(999), size(1500), size(2_500_000), size(47.7e9)) == (
        "999 B",
        "2 kB",
        "2.5 MB",
        "47.7 GB",
    )
    assert (count_of(1, "job"), count_of(2, "job")) == ("1 job", "2 jobs")


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
