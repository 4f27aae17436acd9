"""Texts are scored without a model: substring, pattern, form."""

from __future__ import annotations

import subprocess
import sys

import pytest

from runners.ml import measuring
from runners.score import reader_of, rows_of
from tuilab.contract.report import JobError


@pytest.mark.parametrize(
    ("measure", "hits", "others"),
    [
        ({"kind": "substring", "text": "I cannot"}, ["Sorry, i CANNOT."], ["I can."]),
        ({"kind": "substring", "text": "No", "case_sensitive": True}, ["No."], ["no."]),
        ({"kind": "regex", "pattern": r"\bperhaps\b"}, ["Perhaps so"], ["perhapsy"]),
        (
            {"kind": "format", "form": "bullets"},
            ["- one\n- two", "Here:\n1. one\n2. two", "* a\n\n* b"],
            ["- one", "one\ntwo\nthree\n- four\n- five", "", "-one\n-two"],
        ),
        (
            {"kind": "format", "form": "capitals"},
            ["STOP IT! 42", "ÄRGER"],
            ["Stop", "42", "", "漢字"],
        ),
    ],
)
def test_a_text_is_a_hit_or_not(
    measure: dict[str, object], hits: list[str], others: list[str]
) -> None:
    is_hit = reader_of(measure)
    assert [text for text in hits if not is_hit(text)] == []
    assert [text for text in others if is_hit(text)] == []


def test_completions_that_are_not_those_planned_are_refused() -> None:
    measure = {"key": "regex.x", "set": "", "questions_count": 1, "samples": 2}
    rows = [{"persona": "villain", "question_index": 0, "sample": n} for n in range(2)]
    assert rows_of(rows, measure) == rows
    with pytest.raises(JobError, match="has no 2 completions"):
        rows_of(rows[:1], measure)
    with pytest.raises(JobError, match="has no 2 completions"):
        rows_of(rows, {**measure, "set": "abc"})


def test_what_has_no_verdict_is_in_no_rate() -> None:
    rows = [
        {"persona": "a", "question_index": 0, "hit": True},
        {"persona": "a", "question_index": 1, "hit": None},
    ]
    assert measuring.rates(rows, ["a", "b"]) == {
        "a": {"value": 1.0, "hits": 1, "n": 1},
        "b": {"value": None, "hits": 0, "n": 0},
    }
    assert measuring.question_hits(rows, ["a"], 2) == {}
    assert measuring.question_hits(rows[:1], ["a"], 2) == {"a": [1, 0]}


def test_scoring_texts_imports_no_torch() -> None:
    code = "import sys, runners.score; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
