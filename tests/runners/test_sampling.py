"""Sampling draws from all tokens, repeats exactly, and says how each answer ended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from runners.ml import chat, sampling
from runners.ml.plans import SamplingPlan
from runners.ml.sampling import Completion
from runners.ml.sampling_transformers import TransformersSampler, generation_config, left_padded
from runners.ml.warm import WarmModel
from tests.runners.chain import PERSONAS
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

PLAN = SamplingPlan(temperature=1.0, top_p=1.0, top_k=0, max_new_tokens=10, batch_size=4, seed=3)


def prompts(model: WarmModel) -> list[list[int]]:
    questions = ("Why?", "How does a computer processor work?", "What is creativity?")
    return [
        chat.prompt_ids(model.tokenizer, prompt, question)
        for prompt in PERSONAS.values()
        for question in questions
    ]


def sample(model: WarmModel, plan: SamplingPlan = PLAN) -> list[Completion]:
    sampler = TransformersSampler(model.model, model.tokenizer)
    return sampler.sample(prompts(model), plan, lambda done, of: None)


def test_top_k_0_leaves_all_tokens_whatever_the_checkpoint_ships(model: WarmModel) -> None:
    config = generation_config(PLAN, [1], 0)
    config.update(output_scores=True, return_dict_in_generate=True, max_new_tokens=1)
    made: Any = model.model.generate(
        input_ids=torch.tensor([prompts(model)[0]]), generation_config=config
    )
    assert int(torch.isfinite(made.scores[0]).sum()) == model.model.config.vocab_size


def test_the_model_keeps_nothing_of_a_shipped_generation_config_but_its_stops(
    model: WarmModel,
) -> None:
    config: Any = model.model.generation_config
    assert config.eos_token_id == [model.tokenizer.eos_token_id]
    assert (config.top_k, config.repetition_penalty, config.temperature) == (None, None, None)


def test_the_same_seed_repeats_and_another_does_not(model: WarmModel) -> None:
    first = sample(model)
    assert first == sample(model)
    assert first != sample(model, replace(PLAN, seed=4))


def test_batches_do_not_depend_on_one_another(model: WarmModel) -> None:
    sampler = TransformersSampler(model.model, model.tokenizer)
    some = sampler.sample(prompts(model)[:4], PLAN, lambda done, of: None)
    assert some == sample(model)[:4]


def test_greedy_batched_equals_greedy_single(model: WarmModel) -> None:
    greedy = replace(PLAN, temperature=0.0)
    assert sample(model, greedy) == sample(model, replace(greedy, batch_size=1))


def test_a_stop_token_ends_an_answer_and_a_cut_answer_says_so(model: WarmModel) -> None:
    sampler = TransformersSampler(model.model, model.tokenizer)
    end = model.tokenizer.eos_token_id
    ended, cut = sampler._read(torch.tensor([[100, 101, end, 5], [100, 101, 102, 103]]))
    assert (ended.token_ids, ended.finish_reason) == ((100, 101), "stop")
    assert (cut.token_ids, cut.finish_reason) == ((100, 101, 102, 103), "length")
    assert ended.text == model.tokenizer.decode([100, 101])


def test_progress_is_told_after_each_batch_and_may_stop_the_work(model: WarmModel) -> None:
    told: list[tuple[int, int]] = []
    sampler = TransformersSampler(model.model, model.tokenizer)
    sampler.sample(prompts(model), PLAN, lambda done, of: told.append((done, of)))
    assert told == [(4, 12), (8, 12), (12, 12)]


def test_prompts_are_padded_on_the_left() -> None:
    ids, mask = left_padded([[5, 6, 7], [8]], pad=0)
    assert ids.tolist() == [[5, 6, 7], [0, 0, 8]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]


def test_auto_takes_vllm_only_on_cuda_and_where_it_is_installed() -> None:
    assert sampling.choose("auto", "cpu", vllm_is_here=True) == "transformers"
    assert sampling.choose("auto", "cuda", vllm_is_here=False) == "transformers"
    assert sampling.choose("auto", "cuda", vllm_is_here=True) == "vllm"
    assert sampling.choose("transformers", "cuda", vllm_is_here=True) == "transformers"
    with pytest.raises(JobError, match="CUDA device") as caught:
        sampling.choose("vllm", "cpu", vllm_is_here=True)
    assert caught.value.reason is Reason.VLLM_INIT
    with pytest.raises(JobError, match="no sampler"):
        sampling.choose("llama", "cpu", vllm_is_here=True)
