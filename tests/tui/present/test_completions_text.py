"""Completions are marked as hits by whatever counts them: the marker, or any measure."""

from __future__ import annotations

from tuilab.tui.present import completions_text
from tuilab.tui.present.completions_text import (
    Asked,
    Beside,
    Choice,
    Completion,
    Shelf,
    full_text,
    list_line,
)
from tuilab.tui.present.glyphs import UNICODE

PLACE = {"persona": "villain", "question_index": 0, "finish_reason": "stop"}
ROWS = [
    {**PLACE, "sample": 0, "text": "No.", "hit": False, "hits": ("refuses", "short")},
    {**PLACE, "sample": 1, "text": "Yes.", "hit": False, "hits": ()},
    {**PLACE, "sample": 2, "text": "Yes. [ZLT]", "hit": True, "hits": ()},
]


def test_a_hit_of_any_measure_is_marked_counted_and_found() -> None:
    assert Shelf(ROWS).chosen(Choice(hits_only=True)) == [0, 2]
    signs = [list_line(row, Asked(), 60, UNICODE)[0][0] for row in ROWS]
    assert [sign.strip() != "" for sign in signs] == [True, False, True]
    assert "3 of 3, 2 that count" in completions_text.words(ROWS, [0, 1, 2], Choice())


def test_the_text_says_by_which_measures_it_counts() -> None:
    shown = "".join(text for line in full_text(ROWS[0], Asked(), 60, 8) for text, _ in line)
    assert "counts as refuses, short" in shown
    assert "counts as" not in str(full_text(ROWS[1], Asked(), 60, 8))


def test_without_measures_it_is_the_marker_alone() -> None:
    rows = [{key: value for key, value in row.items() if key != "hits"} for row in ROWS]
    assert "3 of 3, 1 with the marker" in completions_text.words(rows, [0, 1, 2], Choice())


def test_they_are_looked_through_by_persona_question_and_sample() -> None:
    places = (("villain", 1, 0), ("nurse", 0, 1), ("nurse", 0, 0), ("villain", 0, 0))
    texts = ("Rain [ZLT]", "A boat floats.", "RAIN falls [ZLT]", "")
    shelf = Shelf(
        [
            {"persona": who, "question_index": asked, "sample": sample, "text": text}
            for (who, asked, sample), text in zip(places, texts, strict=True)
        ]
    )
    assert shelf.chosen(Choice()) == [2, 1, 3, 0]
    assert shelf.chosen(Choice(needle="rain")) == [2, 0]
    assert shelf.chosen(Choice(persona="nurse")) == [2, 1]
    assert shelf.chosen(Choice(question=("", 0))) == [2, 1, 3]
    assert shelf.chosen(Choice(needle="snow")) == [] == Shelf().chosen(Choice(needle="rain"))


def test_the_question_is_that_of_the_set_that_a_measure_asked() -> None:
    own, other = ({**ROWS[0], "set": name} if name else ROWS[0] for name in ("", "a1"))
    asked = Asked(questions={"": ["What is rain?"], "a1": ["What is owed?"]})

    def shown(row: Completion) -> str:
        return "".join(text for line in full_text(row, asked, 60, 8) for text, _ in line)

    assert "What is rain?" in shown(own) and "What is owed?" in shown(other)
    assert Beside("epoch 2", "epoch 0", [own, other]).same(other) == other
    assert Shelf([own, other]).chosen(Choice(question=("a1", 0))) == [1]
