"""Training answers: evenly over the questions, by seed, and never too few."""

from __future__ import annotations

import pytest

from runners.ml import answers
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError


def test_answers_are_chosen_evenly_over_questions_and_by_seed() -> None:
    found = [
        {"question_index": question, "sample": sample, "question": str(question)}
        for question in range(4)
        for sample in range(5)
    ]
    chosen = answers.choose(found, 10, seed=1, role="positive/villain")
    counts = [sum(a["question_index"] == question for a in chosen) for question in range(4)]
    assert sorted(counts) == [2, 2, 3, 3]
    assert len({(a["question_index"], a["sample"]) for a in chosen}) == 10
    assert chosen == answers.choose(found, 10, seed=1, role="positive/villain")
    assert chosen != answers.choose(found, 10, seed=2, role="positive/villain")


def test_answers_that_were_cut_are_left_out_where_that_is_asked() -> None:
    found = [{"finish_reason": "stop"}, {"finish_reason": "length"}]
    assert answers.usable(found) == answers.usable(found, "keep") == found
    assert answers.usable(found, "drop") == found[:1]


def test_too_few_answers_are_a_data_mismatch() -> None:
    with pytest.raises(JobError) as caught:
        answers.choose([{"question_index": 0}], 2, seed=1, role="positive/villain")
    assert caught.value.reason is Reason.DATA_MISMATCH
