"""Samples through our own decoding loop, for the models that it can run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from runners.fast import decoder, generation, llama_shape
from runners.fast.generation import GenerateOptions
from runners.fast.sampling import TokenSampler
from runners.ml import completions
from runners.ml.completions import Completion, Progress
from runners.ml.stage_settings import SamplingSettings


def can_run(model: PreTrainedModel) -> bool:
    """True when the loop computes what transformers' generate would."""
    return llama_shape.why_not(model) is None


class DecoderSampler:
    """One pass per token over the rows still running; every distinct prompt is read once."""

    name = "trunk"
    """The value of ``eval.sampler`` in configs."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._stops = completions.stop_tokens(model)

    def sample(
        self, prompts: Sequence[Sequence[int]], settings: SamplingSettings, progress: Progress
    ) -> list[Completion]:
        """Sample; not under inference mode: the weights given back are trained on later."""
        options = GenerateOptions(self._stops, settings.max_new_tokens)
        token_sampler = TokenSampler(settings.temperature, settings.top_p, settings.top_k)
        with torch.no_grad(), decoder.fused(self._model) as fused:

            def generate(
                batch: Sequence[Sequence[int]], after_check: Callable[[int, int], None]
            ) -> list[list[int]]:
                return generation.generate(fused, batch, options, token_sampler, after_check)

            lines = completions.sample_batches(prompts, settings, generate, progress)
        return completions.read_completions(lines, self._stops, self._tokenizer)
