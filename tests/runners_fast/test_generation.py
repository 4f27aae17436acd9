"""The decode loop against transformers' generate."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
import torch
from transformers import GenerationConfig

from runners.fast import decoder, generation
from runners.fast.generation import GenerateOptions
from runners.fast.sampling import TokenSampler
from tests.runners_fast.conftest import FUSED

STOPS = frozenset({5, 6})


@pytest.fixture
def prompts() -> list[tuple[int, ...]]:
    """Eight prompts of different lengths, two of them equal."""
    draw = random.Random(3)
    found = [tuple(draw.randrange(97) for _ in range(length)) for length in (9, 4, 12, 7, 7, 3, 10)]
    return [*found, found[0]]


def generated(model: Any, prompts: list[Any], limit: int, **how: Any) -> list[list[int]]:
    """Let transformers complete left-padded prompts; cut after the first stop token."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + list(p) for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    config = GenerationConfig(
        max_new_tokens=limit, eos_token_id=sorted(STOPS), pad_token_id=0, **how
    )
    made = model.generate(input_ids=ids, attention_mask=mask, generation_config=config)
    return [until_stop(line) for line in made[:, width:].tolist()]


def until_stop(line: list[int]) -> list[int]:
    ends = [place for place, token in enumerate(line) if token in STOPS]
    return line[: ends[0] + 1] if ends else line


@pytest.mark.parametrize(("check_every", "shrink_below"), [(1, 1.0), (3, 0.9), (50, 0.0)])
def test_greedy_text_is_that_of_generate_however_the_batch_shrinks(
    make_tiny: Any, prompts: Any, check_every: int, shrink_below: float
) -> None:
    model = make_tiny()
    expected = generated(model, prompts, 40, do_sample=False)
    rules = GenerateOptions(STOPS, 40, check_every=check_every, shrink_below=shrink_below)
    with decoder.fused(model) as fused:
        found = generation.generate(fused, prompts, rules, TokenSampler(temperature=0.0))
    assert found == expected
    assert len({len(line) for line in found}) > 2


@pytest.mark.parametrize("family", FUSED)
def test_every_family_completes_as_generate_does(family: str, make_tiny: Any, prompts: Any) -> None:
    model = make_tiny(family=family)
    expected = generated(model, prompts, 30, do_sample=False)
    with decoder.fused(model) as fused:
        rules = GenerateOptions(STOPS, 30)
        found = generation.generate(fused, prompts, rules, TokenSampler(temperature=0.0))
    assert found == expected


@pytest.mark.parametrize(
    ("family", "how"),
    [
        ("qwen2", {"temperature": 1.0}),
        ("qwen2", {"temperature": 0.7, "top_p": 0.9}),
        ("qwen2", {"top_k": 5}),
        ("granite", {"temperature": 1.0}),
    ],
)
def test_the_same_seed_draws_the_tokens_that_generate_draws(
    make_tiny: Any, prompts: Any, family: str, how: Any
) -> None:
    model = make_tiny(family=family)
    torch.manual_seed(11)
    full = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, **how}
    expected = generated(model, prompts, 20, do_sample=True, **full)
    torch.manual_seed(11)
    with decoder.fused(model) as fused:
        rules = GenerateOptions(STOPS, 20, shrink_below=0.0)
        found = generation.generate(fused, prompts, rules, TokenSampler(**full))
    assert found == expected


def test_dropping_ended_rows_does_not_change_how_often_a_token_comes(make_tiny: Any) -> None:
    model = make_tiny()
    counts = []
    for shrink in (0.0, 1.0):
        torch.manual_seed(7)
        with decoder.fused(model) as fused:
            rules = GenerateOptions(STOPS, 12, check_every=1, shrink_below=shrink)
            texts = generation.generate(fused, [(1, 2, 3)] * 600, rules, TokenSampler())
        counts.append(Counter(token for line in texts for token in line))
    shares = [{t: n / sum(c.values()) for t, n in c.items()} for c in counts]
    apart = sum(abs(shares[0].get(t, 0) - shares[1].get(t, 0)) for t in range(97)) / 2
    assert apart < 0.08
    assert counts[0] != counts[1]


def test_forced_lengths_are_kept_to_the_token(make_tiny: Any, prompts: Any) -> None:
    lengths = (3, 140, 1, 9, 30, 8, 16, 17)
    with decoder.fused(make_tiny()) as fused:
        rules = GenerateOptions(frozenset(), 0, lengths=lengths)
        found = generation.generate(fused, prompts, rules, TokenSampler())
    assert tuple(map(len, found)) == lengths


def test_live_adapters_decode_like_merged_ones(make_adapted: Any, prompts: Any) -> None:
    peft = make_adapted()
    rules = GenerateOptions(STOPS, 15)
    with decoder.fused(peft) as fused:
        live = generation.generate(fused, prompts, rules, TokenSampler(temperature=0.0))
    with decoder.fused(peft.merge_and_unload()) as fused:
        merged = generation.generate(fused, prompts, rules, TokenSampler(temperature=0.0))
    assert live == merged


def test_each_check_reports_how_many_rows_are_running(make_tiny: Any, prompts: Any) -> None:
    seen: list[int] = []
    rules = GenerateOptions(frozenset(), 0, lengths=(1, 2, 2, 3, 3, 3, 4, 4), check_every=1)
    with decoder.fused(make_tiny()) as fused:
        generation.generate(
            fused,
            prompts,
            rules,
            TokenSampler(),
            after_check=lambda running, _: seen.append(running),
        )
    assert seen == [7, 5, 2, 0]


def test_a_prefill_in_parts_is_the_same(
    make_tiny: Any, prompts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = GenerateOptions(STOPS, 10)
    with decoder.fused(make_tiny()) as fused:
        whole = generation.generate(fused, prompts, rules, TokenSampler(temperature=0.0))
        monkeypatch.setattr(generation, "_PREFILL_TOKENS", 12)
        parts = generation.generate(fused, prompts, rules, TokenSampler(temperature=0.0))
    assert parts == whole
