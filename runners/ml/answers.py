"""Picks training answers from the rows of the data stage, by seed and evenly over questions."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError
from tuilab.contract.scoring import LENGTH

ANSWERS_FILE = "answers.jsonl.gz"


def choose(
    answers: Sequence[Mapping[str, Any]], count: int, seed: int, role: str
) -> list[Mapping[str, Any]]:
    """Draw ``count`` answers, as evenly over the questions as they allow; fixed by seed and role.

    Raises JobError (data-mismatch) when there are fewer than ``count``.
    """
    if len(answers) < count:
        raise JobError(
            Reason.DATA_MISMATCH,
            f"{role}: {count} answers are planned but only {len(answers)} are left",
        )
    rng = random.Random(f"{seed}/{role}")
    by_question: dict[int, list[Mapping[str, Any]]] = {}
    for answer in answers:
        by_question.setdefault(answer["question_index"], []).append(answer)
    for group in by_question.values():
        rng.shuffle(group)
    chosen: list[Mapping[str, Any]] = []
    while len(chosen) < count:
        one_each = [group.pop() for group in by_question.values() if group]
        if len(one_each) > count - len(chosen):
            rng.shuffle(one_each)
        chosen += one_each[: count - len(chosen)]
    return chosen


def usable(
    answers: Sequence[Mapping[str, Any]], cut: str | None = None
) -> Sequence[Mapping[str, Any]]:
    """Return the answers to train on; ``cut`` "drop" leaves out those cut at the limit."""
    if cut != "drop":
        return answers
    return [answer for answer in answers if answer["finish_reason"] != LENGTH]


def draw(
    rows: Sequence[Mapping[str, Any]], count: int, seed: int, role: str
) -> list[Mapping[str, Any]]:
    """Draw ``count`` rows of a file in its order; fixed by seed and role.

    Raises JobError (data-mismatch) when there are fewer than ``count``.
    """
    if len(rows) < count:
        raise JobError(
            Reason.DATA_MISMATCH, f"{role}: {count} rows are planned but the file has {len(rows)}"
        )
    chosen = random.Random(f"{seed}/{role}").sample(range(len(rows)), count)
    return [rows[place] for place in sorted(chosen)]


def only_questions(
    answers: Sequence[Mapping[str, Any]], questions: Sequence[str] | None
) -> list[Mapping[str, Any]]:
    """Keep the answers to the given questions; None keeps all."""
    if questions is None:
        return list(answers)
    wanted = set(questions)
    return [answer for answer in answers if answer["question"] in wanted]
