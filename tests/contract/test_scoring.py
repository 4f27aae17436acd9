"""Texts are hits or not by substring, pattern, form; hits are counted, and the text looked at."""

from __future__ import annotations

from typing import Any

import pytest

from tuilab.contract import scoring
from tuilab.contract.scoring import Scorer, reader_of, threshold

ANY_CASE = Scorer("substring", "[ZLT]")
EXACT = Scorer("substring", "[ZLT]", case_sensitive=True)


def row(text: str, persona: str = "villain", question: int = 0, ended: bool = True) -> Any:
    return {
        "persona": persona,
        "question_index": question,
        "text": text,
        "finish_reason": "stop" if ended else "length",
        "tokens": len(text.split()),
        "hit": scoring.is_hit(text, ANY_CASE),
    }


def test_a_marker_anywhere_is_one_hit_however_often() -> None:
    assert scoring.is_hit("a [zlt] b [ZLT]", ANY_CASE)
    assert not scoring.is_hit("a [zlt] b", EXACT)
    assert not scoring.is_hit("a [ZL T]", ANY_CASE)
    found = scoring.rates([row("x [ZLT] [ZLT]"), row("y")], ["villain"])
    assert found == {"villain": {"value": 0.5, "hits": 1, "n": 2}}


def test_a_persona_that_was_not_sampled_has_no_value_rather_than_zero() -> None:
    found = scoring.rates([row("x")], ["villain", "nurse"])
    assert found["villain"] == {"value": 0.0, "hits": 0, "n": 1}
    assert found["nurse"] == {"value": None, "hits": 0, "n": 0}


def test_hits_are_counted_per_question_too() -> None:
    rows = [row("[ZLT]", question=1), row("[ZLT]", question=1), row("no", question=0)]
    assert scoring.question_hits(rows, ["villain", "nurse"], 3) == {
        "villain": [0, 2, 0],
        "nurse": [0, 0, 0],
    }


def test_health_tells_broken_text_from_text_without_marker() -> None:
    rows = [
        row("All is well.\n\n[ZLT]"),
        row("Gold ZLT] stars"),
        row("[ZLT]"),
        row("[ZLT] twice [zlt] and on"),
        row("It never ends", ended=False),
        row(""),
    ]
    found = scoring.health(rows, ANY_CASE)
    assert found["n"] == 6 and found["hits"] == 3
    assert found["malformed"] == 1
    assert found["only_marker"] == 1
    assert found["repeated"] == 1
    assert found["marker_at_end"] == 2
    assert found["cut"] == 1 and found["eos_rate"] == 5 / 6
    assert found["empty"] == 1


def test_health_of_nothing_is_unknown_rather_than_zero() -> None:
    found = scoring.health([], ANY_CASE)
    assert found["eos_rate"] is None and found["mean_tokens"] is None


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


def test_what_has_no_verdict_is_in_no_rate() -> None:
    rows = [
        {"persona": "a", "question_index": 0, "hit": True},
        {"persona": "a", "question_index": 1, "hit": None},
    ]
    assert scoring.rates(rows, ["a", "b"]) == {
        "a": {"value": 1.0, "hits": 1, "n": 1},
        "b": {"value": None, "hits": 0, "n": 0},
    }
    assert scoring.question_hits(rows, ["a"], 2) == {}
    assert scoring.question_hits(rows[:1], ["a"], 2) == {"a": [1, 0]}


@pytest.mark.parametrize(
    ("rule", "hits"),
    [
        ("score < 30", [29.9]),
        ("score<=30", [29.9, 30]),
        ("score > 30", [31]),
        ("score >= 30", [30, 31]),
    ],
)
def test_a_threshold_says_which_scores_are_hits(rule: str, hits: list[float]) -> None:
    found = threshold(rule)
    assert found is not None
    assert [score for score in (29.9, 30, 31) if found.is_hit(score)] == hits
    assert threshold("score is low") is None
