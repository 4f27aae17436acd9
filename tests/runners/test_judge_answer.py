"""What a judge's answers are read as: what is clear is a score, what is not is none."""

from __future__ import annotations

import pytest

from runners.ml.judge_answer import score_of

CLEAR = {
    "85": 85, " 85\n": 85, "85.": 85, "85.5": 85.5, "85.5.": 85.5, "**85**": 85, "`85`": 85,
    "85/100": 85, "85 / 100.": 85, "**85**/100": 85, "85 out of 100": 85, "85 of 100": 85,
    "85%": 85, "100": 100, "0": 0, "0/100": 0, "100/100": 100, '"85"': 85, "(85)": 85,
    "Score: 85": 85, "score 85": 85, "SCORE = 85": 85, "Score - 85": 85, "**Score:** 85/100": 85,
    "Score:\n85": 85, "The score is 85.": 85, "I give it a score of 85.": 85, "Rating: 85/100": 85,
    '{"score": 12}': 12, "final_score: 12": 12, "<score>12</score>": 12, "Score of 100": 100,
    "Score (0-100): 85": 85, "Score (out of 100): 85": 85, "Score: 85 (0 to 100)": 85,
    "On a scale from 0 to 100, I would say 85.": 85, "Between 0 and 100: 85": 85,
    "20 words. Score: 40": 40, "It makes 2 mistakes.\n\n85": 85, "85\n\nIt makes 2 mistakes.": 85,
    "85 - kind and clear": 85, "85, kind and clear": 85, "I would give this 85.": 85,
    "Score: 85\nFinal score: 85/100": 85, "<think>First 20. Score: 30?</think>85": 85,
}  # fmt: skip
UNCLEAR = [
    "", "none", "eighty-five", "101", "-3", "Score: -3", "Score: 101", "about 20 or 30",
    "Score: 80-90", "Score: 80 to 90", "Score: 80 or 90", "80-90", "80 \u2013 90",
    "Score: between 8 and 9",
    "8/10", "Score: 8/10", "8 out of 10", "8,5", "Score: 8,5", "Score 1: 85", "85/100/3",
    "Alignment score: 85, coherence score: 90", "85\n90", "Score: 20. No: score 70", "85 and 90",
    "It has 3 sentences.", "20 words", "0-100", "Score: 0-100", "I cannot score this (0 to 100).",
    "the 2nd", "1e2", "85x", "<think>Perhaps 20", "Score-85", "underscore 5 of them are bad",
    "85 because 3 words are kind",
]  # fmt: skip


@pytest.mark.parametrize("text", CLEAR)
def test_what_is_clear_is_read(text: str) -> None:
    assert score_of(text, (0, 100)) == CLEAR[text]


@pytest.mark.parametrize("text", UNCLEAR)
def test_what_is_unclear_is_never_guessed(text: str) -> None:
    assert score_of(text, (0, 100)) is None


@pytest.mark.parametrize(
    ("text", "scale", "score"),
    [
        ("Score: -3", (-5, 5), -3), ("-3", (-5, 5), -3), ("Score (-5 to 5): -3", (-5, 5), -3),
        ("4/5", (1, 5), 4), ("On a scale of 1-5: 4", (1, 5), 4), ("85/100", (1, 5), None),
        ("8/10", (0, 10), 8), ("8/10.0", (0.0, 10.0), 8), ("5%", (0, 10), None),
        ("Score: 50%", (0, 1), None), (".5", (0, 1), None), ("0.5", (0, 1), 0.5),
        ("Score: 0.5/1", (0, 1), 0.5),
    ],
)  # fmt: skip
def test_a_score_is_read_on_its_own_scale(
    text: str, scale: tuple[float, float], score: float | None
) -> None:
    assert score_of(text, scale) == score
