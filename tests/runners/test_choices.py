"""Choices by log-probability: sums over the answer's tokens alone, checked by hand on a bigram."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from runners.choices import choose, log_likelihoods, pairs_of
from runners.ml.stage_settings import Persona

NEXT = torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25], [0.3, 0.6, 0.1]])
"""Row a, column b: the probability that token b follows token a."""


class Bigram:
    """A model whose next token depends on the last one alone, so that sums are done by hand."""

    device = torch.device("cpu")

    def __call__(self, input_ids: torch.Tensor, logits_to_keep: int, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(logits=torch.log(NEXT)[input_ids][:, -logits_to_keep:])


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_the_sum_is_over_the_answers_tokens_whatever_stands_beside_it(batch_size: int) -> None:
    pairs = [([0, 2, 1], 2), ([2, 0], 1), ([1, 1, 0, 2, 1], 1), ([0, 2, 1, 0], 2)]
    found = log_likelihoods(Bigram(), pairs, batch_size, 0, lambda done, of: None)
    expected = [0.7 * 0.6, 0.3, 0.6, 0.6 * 0.5]
    by_hand = [math.log(one) for one in expected]
    assert [found[tuple(ids), count] for ids, count in pairs] == pytest.approx(by_hand, abs=1e-6)


def test_white_space_at_the_end_of_a_prompt_is_scored_with_the_answer_as_in_the_harness() -> None:
    def text_ids(text: str) -> list[int]:
        return list(map(ord, text))

    chat: Any = SimpleNamespace(text=lambda messages: "Q:\n", text_ids=text_ids)
    item = {"question": "?", "choices": ["a", "bc"]}
    pairs = pairs_of(chat, Persona("x", "x", "You are x."), item)
    assert pairs == [(text_ids("Q:\na"), 2), (text_ids("Q:\nbc"), 3)]


def test_the_likeliest_is_chosen_and_the_first_of_equals() -> None:
    choices = ["no", "certainly not"]
    assert choose([-3.0, -4.0], choices, "none") == 0
    assert choose([-3.0, -4.0], choices, "characters") == 1
    assert choose([-2.0, -2.0], choices, "none") == 0
