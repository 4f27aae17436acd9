"""Rates: two that were measured, and what is computed from them for other bases and cards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.grid.planned import changed
from tuilab.grid.estimate import expected, learned, total_bytes
from tuilab.grid.planning import make_plan
from tuilab.grid.rates import (
    H200,
    SEVEN_B,
    SEVEN_B_SHAPE,
    TINY,
    Shape,
    card_named,
    on_card,
    on_processor,
    rates_for,
    shape_named,
    shape_of,
)
from tuilab.grid.variants import under

LLAMA = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "vocab_size": 128256,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
}  # fmt: skip
QWEN3 = {
    "model_type": "qwen3", "hidden_size": 4096, "intermediate_size": 12288, "vocab_size": 151936,
    "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
}  # fmt: skip
MIXTURE = {
    "model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144, "vocab_size": 151936,
    "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128,
    "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768,
}  # fmt: skip
UNKNOWN = shape_named("somebody/model")


def test_the_measured_base_on_the_measured_card_keeps_what_was_measured() -> None:
    found = on_card(SEVEN_B_SHAPE, H200)
    assert (found.train_row, found.completion, found.name) == (
        SEVEN_B.train_row, SEVEN_B.completion, SEVEN_B.name,
    )  # fmt: skip
    assert found.adapter_bytes_per_rank == pytest.approx(SEVEN_B.adapter_bytes_per_rank, rel=0.01)


@pytest.mark.parametrize(
    ("config", "weights", "step_ms"), [(LLAMA, 8.03, 85.0), (QWEN3, 8.19, 87.1)]
)
def test_other_bases_take_about_what_was_measured_of_them(
    config: dict[str, object], weights: float, step_ms: float
) -> None:
    shape = shape_of(config, UNKNOWN)
    assert shape.weights / 1e9 == pytest.approx(weights, rel=0.01)
    ratio = on_card(shape, H200).train_row / SEVEN_B.train_row
    assert 79.3 * ratio == pytest.approx(step_ms, rel=0.04)


def test_a_mixture_takes_the_time_of_its_chosen_experts_and_the_disk_of_all() -> None:
    shape = shape_of(MIXTURE, UNKNOWN)
    assert shape.weights / 1e9 == pytest.approx(30.5, rel=0.02)
    assert shape.active / 1e9 == pytest.approx(2.7, rel=0.02)
    assert not shape.is_fused
    assert on_card(shape, H200).merged_bytes == pytest.approx(61e9, rel=0.02)


def test_the_fallback_trains_half_as_slowly_again_and_float32_on_a_card_ten_times() -> None:
    fused, other = (Shape(8e9, 7e9, 1e6, is_fused=one) for one in (True, False))
    ratio = on_card(other, H200).train_row / on_card(fused, H200).train_row
    assert ratio == pytest.approx(1.5)
    wide = on_card(Shape(8e9, 7e9, 1e6, bytes_each=4), H200)
    assert wide.completion == pytest.approx(10 * on_card(fused, H200).completion)
    assert wide.merged_bytes == 32e9


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("NVIDIA H200", "H200"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("rtx-4090", "RTX 4090"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA A10G", "A10G"),
        ("Tesla K80", None),
    ],
)
def test_a_card_is_known_by_what_its_driver_calls_it(name: str, card: str | None) -> None:
    found = card_named(name)
    assert (found and found.name) == card


def test_a_slower_card_takes_longer_and_says_that_this_is_computed() -> None:
    card = card_named("a100")
    assert card is not None
    found = on_card(SEVEN_B_SHAPE, card)
    assert found.train_row / SEVEN_B.train_row == pytest.approx(989 / 312)
    assert found.name == f"computed for 7.6B on one A100, from {SEVEN_B.name}"


@pytest.mark.parametrize(
    ("name", "billions", "is_fused"),
    [
        ("meta-llama/Llama-3.2-1B-Instruct", 1.0, True),
        ("Qwen/Qwen2.5-0.5B-Instruct", 0.5, True),
        ("google/gemma-2-9b-it", 9.0, False),
        ("Qwen/Qwen3-30B-A3B", 30.0, False),
        ("HuggingFaceTB/SmolLM2-360M-Instruct", 0.36, False),
    ],
)
def test_a_base_that_is_not_here_has_the_size_that_its_name_says(
    name: str, billions: float, is_fused: bool
) -> None:
    shape = shape_named(name)
    assert (shape.weights / 1e9, shape.is_fused, shape.is_known) == (billions, is_fused, True)


def test_of_a_base_whose_size_nothing_tells_no_time_is_quoted() -> None:
    assert not UNKNOWN.is_known and not rates_for(UNKNOWN, H200).is_known
    made = make_plan(changed('model = "tiny"', 'model = "org/model"'), "v")
    assert made.estimates == {} and total_bytes(expected(made).values()) is None
    later = learned(made, Shape(5e9, 4e9, 1e6))
    assert later == made and later.estimates["train"] > 0
    assert later == make_plan(changed('model = "tiny"', 'model = "org/model"'), "v")


def test_the_tiny_base_is_never_quoted_a_card_nor_is_a_base_on_the_processor() -> None:
    assert rates_for(shape_named("tiny"), H200) == TINY
    config = changed('model = "tiny"', 'model = "Qwen/Qwen2.5-0.5B-Instruct"')
    rates = make_plan(config, "v").rates
    assert rates is not None
    assert "H200" not in rates.name
    assert rates.train_row > 100 * TINY.train_row


def test_more_threads_take_less_time_but_a_tiny_model_is_no_faster_than_the_tiny_base() -> None:
    big, small = shape_named("x/8B", 4), Shape(1e5, 5e4, 1e3, 4)
    assert on_processor(big, 1).completion == pytest.approx(8 * on_processor(big, 8).completion)
    assert on_processor(small, 4).completion == TINY.completion


def test_a_small_base_on_a_card_is_quoted_no_less_than_what_a_job_does_beside_its_steps() -> None:
    small = Shape(1e6, 8e5, 1e4, blocks=4)
    assert on_card(small, H200).fixed == SEVEN_B.fixed
    assert on_card(SEVEN_B_SHAPE, H200).fixed == pytest.approx(SEVEN_B.fixed, rel=0.01)
    launched = on_card(replace(small, is_fused=False, blocks=28), H200).train_row
    assert 4 * launched == pytest.approx(0.120), "kernels are launched one by one, small or not"
    assert on_card(small, H200).train_row < launched / 100, "graphs are replayed"


def test_answers_that_may_be_short_are_quoted_less_and_longer_ones_no_more() -> None:
    whole = SEVEN_B.sampling(100, 350)
    assert (whole, SEVEN_B.sampling(100, 512)) == (100 * SEVEN_B.completion,) * 2
    assert SEVEN_B.sampling(100, 35) == pytest.approx(whole / 10)
    assert TINY.sampling(100, 48) == 100 * TINY.completion
    config = changed('model = "tiny"', 'model = "Qwen/Qwen2.5-0.5B-Instruct"')
    short, longer = (
        make_plan(under(config, {"eval.max_new_tokens": tokens}), "v").estimates["eval"]
        for tokens in (35, 350)
    )
    assert longer > 5 * short


def test_how_fast_a_base_is_worked_on_makes_no_other_plan() -> None:
    config = changed('model = "tiny"', 'model = "org/model"')
    first, later = make_plan(config, "v"), make_plan(config, "v", shape=Shape(5e9, 4e9, 1e6))
    assert first == later
    assert first.estimates != later.estimates
