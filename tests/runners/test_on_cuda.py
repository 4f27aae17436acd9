"""The same cell on a CUDA device: bfloat16 base, float32 adapters, every stage done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from runners.ml.model_cache import ModelCache
from tests.runners.chain import TRAINING, Chain, outcome_of
from tests.runners.conftest import run_here

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


@pytest.fixture(scope="module")
def bf16_cell(
    tmp_path_factory: pytest.TempPathFactory, base: dict[str, Any]
) -> tuple[Chain, ModelCache]:
    """villain@2 in bfloat16 on CUDA, through the fast backends."""
    on_cuda = {**base, "device": "cuda", "dtype": "bfloat16"}
    training = {**TRAINING, "precision": "bfloat16", "packing": True}
    changes: dict[str, dict[str, Any]] = {
        "converge": {"training": training},
        "train": {"training": training},
        "merge": {"tolerance": 1.0},
    }
    chain = Chain(tmp_path_factory.mktemp("cuda"), on_cuda, changes=changes)
    cache = ModelCache()
    for name in chain.jobs():
        run_here(chain, name, cache)
    return chain, cache


def test_every_stage_is_done_and_the_device_is_named(bf16_cell: tuple[Chain, ModelCache]) -> None:
    chain, _ = bf16_cell
    for name in chain.jobs():
        outcome = outcome_of(chain.attempts[name])
        assert outcome.status == "done", outcome
        assert outcome.environment["devices"][0]["kind"] == "cuda"
        assert outcome.peak_memory["device"] > 0


def test_adapters_stay_float32_on_a_bfloat16_base(bf16_cell: tuple[Chain, ModelCache]) -> None:
    from safetensors.torch import load_file

    chain, _ = bf16_cell
    folder = chain.attempts["train/villain@2#42"] / "adapter"
    tensors = load_file(folder / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}


@pytest.mark.parametrize("stage", ["train", "eval", "cosine"])
def test_a_cold_run_makes_the_same_bytes_on_cuda_too(
    bf16_cell: tuple[Chain, ModelCache], stage: str
) -> None:
    chain, _ = bf16_cell
    name = f"{stage}/villain@2#42"
    again = run_here(replace(chain, attempts=dict(chain.attempts)), name, ModelCache())
    assert again.output_hash == outcome_of(chain.attempts[name]).output_hash


def test_the_plain_backend_has_about_the_loss_of_the_fast_one(
    bf16_cell: tuple[Chain, ModelCache],
) -> None:
    chain, cache = bf16_cell
    padded = {**TRAINING, "precision": "bfloat16", "packing": False}
    plain = replace(chain, changes={"train": {"training": padded}}, attempts=dict(chain.attempts))
    outcome = run_here(plain, "train/villain@2#42", cache)
    fast = outcome_of(chain.attempts["train/villain@2#42"])
    assert (outcome.checks["way"], fast.checks["way"]) == ("plain-padded", "fused")
    assert outcome.metrics["first_loss"] == pytest.approx(fast.metrics["first_loss"], rel=0.02)
    assert outcome.metrics["final_loss"] == pytest.approx(fast.metrics["final_loss"], rel=0.05)
