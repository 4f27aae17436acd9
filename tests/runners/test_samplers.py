"""Sampling draws from all tokens, repeats exactly, and says how each answer ended."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch

from runners.ml import completions, samplers
from runners.ml.completions import Completion
from runners.ml.model_cache import LoadedModel
from runners.ml.sampler_decoder import DecoderSampler
from runners.ml.sampler_transformers import TransformersSampler, generation_config, left_padded
from runners.ml.stage_settings import SamplingSettings
from tests.runners.chain import PERSONAS
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

SETTINGS = SamplingSettings(
    temperature=1.0, top_p=1.0, top_k=0, max_new_tokens=10, batch_size=4, seed=3
)


def prompts(model: LoadedModel) -> list[list[int]]:
    questions = ("Why?", "How does a computer processor work?", "What is creativity?")
    return [
        model.chat.prompt_ids(prompt, question)
        for prompt in PERSONAS.values()
        for question in questions
    ]


SAMPLERS = pytest.mark.parametrize("kind", [TransformersSampler, DecoderSampler])


def sample(
    model: LoadedModel, settings: SamplingSettings = SETTINGS, kind: Any = TransformersSampler
) -> list[Completion]:
    sampler: completions.Sampler = kind(model.model, model.tokenizer)
    return sampler.sample(prompts(model), settings, lambda done, of: None)


def test_top_k_0_leaves_all_tokens_whatever_the_checkpoint_ships(model: LoadedModel) -> None:
    config = generation_config(SETTINGS, [1], 0)
    config.update(output_scores=True, return_dict_in_generate=True, max_new_tokens=1)
    made: Any = model.model.generate(
        input_ids=torch.tensor([prompts(model)[0]]), generation_config=config
    )
    assert int(torch.isfinite(made.scores[0]).sum()) == model.model.config.vocab_size


def test_the_model_keeps_nothing_of_a_shipped_generation_config_but_its_stops(
    model: LoadedModel,
) -> None:
    config: Any = model.model.generation_config
    assert config.eos_token_id == [model.tokenizer.eos_token_id]
    assert (config.top_k, config.repetition_penalty, config.temperature) == (None, None, None)


@SAMPLERS
def test_the_same_seed_repeats_and_another_does_not(model: LoadedModel, kind: Any) -> None:
    first = sample(model, kind=kind)
    assert first == sample(model, kind=kind)
    assert first != sample(model, replace(SETTINGS, seed=4), kind)


@SAMPLERS
def test_batches_do_not_depend_on_one_another(model: LoadedModel, kind: Any) -> None:
    sampler = kind(model.model, model.tokenizer)
    some = sampler.sample(prompts(model)[:4], SETTINGS, lambda done, of: None)
    assert some == sample(model, kind=kind)[:4]


def test_greedy_answers_do_not_depend_on_batch_or_sampler(model: LoadedModel) -> None:
    greedy = replace(SETTINGS, temperature=0.0)
    expected = sample(model, replace(greedy, batch_size=1))
    assert sample(model, greedy) == expected
    assert sample(model, greedy, DecoderSampler) == expected


def test_a_stop_token_ends_an_answer_and_a_cut_answer_says_so(model: LoadedModel) -> None:
    end = model.tokenizer.eos_token_id
    lines = [[100, 101, end, 5], [100, 101, 102, 103]]
    ended, cut = completions.read_completions(lines, frozenset({end}), model.tokenizer)
    assert (ended.token_ids, ended.finish_reason) == ((100, 101), "stop")
    assert (cut.token_ids, cut.finish_reason) == ((100, 101, 102, 103), "length")
    assert ended.text == model.tokenizer.decode([100, 101])


@SAMPLERS
def test_progress_is_reported_after_each_batch_and_may_stop_the_work(
    model: LoadedModel, kind: Any
) -> None:
    seen: list[tuple[int, int]] = []

    def after_batch(done: int, of: int) -> None:
        seen.append((done, of))
        if done >= 8:
            raise KeyboardInterrupt

    before = model.current_fingerprint()
    with pytest.raises(KeyboardInterrupt):
        kind(model.model, model.tokenizer).sample(prompts(model), SETTINGS, after_batch)
    assert (4, 12) in seen and seen[-1] == (8, 12)
    assert model.current_fingerprint() == before


@SAMPLERS
def test_progress_grows_with_the_tokens_of_those_that_decode_at_once(
    model: LoadedModel, kind: Any
) -> None:
    """Counting ended answers alone, each batch of six would be one jump at its end."""
    seen: list[int] = []
    settings = replace(SETTINGS, max_new_tokens=64, batch_size=6)
    kind(model.model, model.tokenizer).sample(
        prompts(model), settings, lambda done, of: seen.append(done)
    )
    steps = [after - before for before, after in pairwise([0, *seen])]
    assert min(steps) >= 0 and max(steps) <= 2
    assert seen.index(12) >= len(seen) - 2, "the end is reported at the end only"


def test_progress_does_not_change_a_drawn_token(model: LoadedModel) -> None:
    settings = replace(SETTINGS, max_new_tokens=24, batch_size=12)
    end, pad = model.tokenizer.eos_token_id, model.pad_id
    ids, mask = left_padded(prompts(model), pad)
    torch.manual_seed(completions.batch_seed(settings.seed, 0))
    alone: Any = model.model.generate(
        input_ids=ids,
        attention_mask=mask,
        generation_config=generation_config(settings, [end], pad),
    )
    lines = alone[:, ids.shape[1] :].tolist()
    expected = completions.read_completions(lines, frozenset({end}), model.tokenizer)
    assert sample(model, settings) == expected


@pytest.mark.parametrize(
    ("begun", "running", "tokens", "expected"),
    [(600, 600, 0, 0), (600, 600, 128, 150), (600, 300, 256, 450), (1200, 0, 512, 1200)],
)
def test_a_completion_under_way_counts_by_its_share_of_the_limit(
    begun: int, running: int, tokens: int, expected: int
) -> None:
    assert completions.counted(begun, running, tokens, limit=512) == expected


def test_prompts_are_padded_on_the_left() -> None:
    ids, mask = left_padded([[5, 6, 7], [8]], pad=0)
    assert ids.tolist() == [[5, 6, 7], [0, 0, 8]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]


@pytest.mark.parametrize(
    ("wanted", "device", "vllm", "decoder", "expected"),
    [
        ("auto", "cuda", True, True, "trunk"),
        ("auto", "cuda", True, False, "vllm"),
        ("auto", "cuda", False, False, "transformers"),
        ("auto", "cuda", False, True, "trunk"),
        ("auto", "cpu", True, True, "trunk"),
        ("auto", "cpu", True, False, "transformers"),
        ("transformers", "cuda", True, True, "transformers"),
        ("vllm", "cuda", True, True, "vllm"),
    ],
)
def test_auto_decodes_here_where_it_can_and_takes_vllm_for_other_models_on_cuda(
    wanted: str, device: str, vllm: bool, decoder: bool, expected: str
) -> None:
    assert samplers.choose(wanted, device, has_vllm=vllm, decoder_can=decoder) == expected


@pytest.mark.parametrize(
    ("wanted", "device", "words", "reason"),
    [
        ("vllm", "cpu", "package vllm", Reason.VLLM_INIT),
        ("vllm", "cuda", "package vllm", Reason.VLLM_INIT),
        ("trunk", "cuda", "cannot run this model", Reason.CONFIG),
        ("llama", "cuda", "no sampler", Reason.CONFIG),
    ],
)
def test_a_sampler_that_cannot_work_here_is_refused_by_name(
    wanted: str, device: str, words: str, reason: Reason
) -> None:
    with pytest.raises(JobError, match=words) as caught:
        samplers.choose(wanted, device, has_vllm=False, decoder_can=False)
    assert caught.value.reason is reason
