"""Choices by log-probability: sums over the answer's tokens alone, checked by hand on a bigram."""

from __future__ import annotations

import math
import random
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from runners.choices import answers_to, by_transformers, choose, log_likelihoods, scorer_of
from runners.fast.likelihood import Answered
from runners.ml.stage_settings import Persona
from tests.runners_fast.conftest import adapted, tiny

NEXT = torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25], [0.3, 0.6, 0.1]])
"""Row a, column b: the probability that token b follows token a."""


class Bigram:
    """A model whose next token depends on the last one alone, so that sums are done by hand."""

    device = torch.device("cpu")

    def __call__(self, input_ids: torch.Tensor, logits_to_keep: int, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(logits=torch.log(NEXT)[input_ids][:, -logits_to_keep:])


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_the_sum_is_over_the_answers_tokens_whatever_stands_beside_it(batch_size: int) -> None:
    given = [((0, 2, 1), 2), ((2, 0), 1), ((1, 1, 0, 2, 1), 1), ((0, 2, 1, 0), 2)]
    answers = [Answered(*one) for one in given]
    with scorer_of(Bigram(), 0) as score:
        found = log_likelihoods(score, answers, batch_size, lambda done, of: None)
    expected = [0.7 * 0.6, 0.3, 0.6, 0.6 * 0.5]
    by_hand = [math.log(one) for one in expected]
    assert [found[one] for one in answers] == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize("family", ["qwen2", "granite", "olmo2"])
def test_our_decoder_scores_as_the_model_itself_does(family: str) -> None:
    """With an adapter, merged into the base or not, on batches of any size."""
    draw = random.Random(4)
    answers = [
        Answered(tuple(draw.randrange(97) for _ in range(prompt + count)), count)
        for prompt, count in ((9, 1), (30, 4), (1, 2), (12, 12), (5, 3))
    ]
    peft = adapted(family=family)
    for model in (peft, peft.merge_and_unload()):
        plain = partial(by_transformers, model, 0)
        expected = log_likelihoods(plain, answers, 2, lambda done, of: None)
        with scorer_of(model, 0) as score:
            assert score.func is not plain.func  # type: ignore[attr-defined]
            found = log_likelihoods(score, answers, 3, lambda done, of: None)
        assert [found[one] for one in answers] == pytest.approx(
            [expected[one] for one in answers], rel=1e-5
        )


def test_a_base_that_our_decoder_does_not_know_is_scored_by_its_own_forward_pass() -> None:
    with scorer_of(tiny(family="gemma2"), 0) as score:
        assert score.func is by_transformers  # type: ignore[attr-defined]


def test_white_space_at_the_end_of_a_prompt_is_scored_with_the_answer_as_in_the_harness() -> None:
    def text_ids(text: str) -> list[int]:
        return list(map(ord, text))

    chat: Any = SimpleNamespace(text=lambda messages: "Q:\n", text_ids=text_ids)
    item = {"question": "?", "choices": ["a", "bc"]}
    answers = answers_to(chat, Persona("x", "x", "You are x."), item)
    assert [(list(one.ids), one.count) for one in answers] == [
        (text_ids("Q:\na"), 2),
        (text_ids("Q:\nbc"), 3),
    ]


def test_the_likeliest_is_chosen_and_the_first_of_equals() -> None:
    choices = ["no", "certainly not"]
    assert choose([-3.0, -4.0], choices, "none") == 0
    assert choose([-3.0, -4.0], choices, "characters") == 1
    assert choose([-2.0, -2.0], choices, "none") == 0
