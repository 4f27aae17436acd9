"""Samples through our own decoding loop, for the models that it can run."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from runners.fast import decoder, generation
from runners.fast.generation import GenerateOptions
from runners.fast.sampling import TokenSampler
from runners.ml.completions import (
    Completion,
    Progress,
    batch_seed,
    counted,
    read_completions,
    stop_tokens,
)
from runners.ml.stage_settings import SamplingSettings


def can_run(model: PreTrainedModel) -> bool:
    """True when the loop computes what transformers' generate would."""
    return decoder.why_not(model) is None


class DecoderSampler:
    """One pass per token over the rows still running; every distinct prompt is read once."""

    name = "trunk"
    """The value of ``eval.sampler`` in configs."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._stops = stop_tokens(model)

    def sample(
        self, prompts: Sequence[Sequence[int]], settings: SamplingSettings, progress: Progress
    ) -> list[Completion]:
        """Sample batch by batch in the given order; each batch has its own seed.

        Not under inference mode: the decoder returns weights that are trained on later.
        """
        options = GenerateOptions(self._stops, settings.max_new_tokens)
        token_sampler = TokenSampler(settings.temperature, settings.top_p, settings.top_k)
        found: list[Completion] = []
        with torch.no_grad(), decoder.fused(self._model) as fused:
            for number, start in enumerate(range(0, len(prompts), settings.batch_size)):
                batch = prompts[start : start + settings.batch_size]
                after_check = _reporter(progress, start + len(batch), len(prompts), options)
                torch.manual_seed(batch_seed(settings.seed, number))
                generated = generation.generate(fused, batch, options, token_sampler, after_check)
                found += read_completions(generated, self._stops, self._tokenizer)
                progress(len(found), len(prompts))
        return found


def _reporter(
    progress: Progress, begun: int, of: int, options: GenerateOptions
) -> Callable[[int], None]:
    """Return what the loop calls at every check of one batch, with the rows still running."""
    checks = itertools.count(1)

    def after_check(running: int) -> None:
        tokens = next(checks) * options.check_every
        progress(counted(begun, running, tokens, options.max_new_tokens), of)

    return after_check
