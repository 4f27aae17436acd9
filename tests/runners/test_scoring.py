"""Counting markers, and the health of the text around them."""

from __future__ import annotations

from typing import Any

from runners.ml import scoring
from runners.ml.stage_settings import ScorerSettings

ANY_CASE = ScorerSettings("substring", "[ZLT]")
EXACT = ScorerSettings("substring", "[ZLT]", case_sensitive=True)


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
    found = scoring.leakage([row("x [ZLT] [ZLT]"), row("y")], ["villain"])
    assert found == {"villain": {"value": 0.5, "hits": 1, "n": 2}}


def test_a_persona_that_was_not_sampled_has_no_value_rather_than_zero() -> None:
    found = scoring.leakage([row("x")], ["villain", "nurse"])
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
