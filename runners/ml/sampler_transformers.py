"""Samples through transformers' batched generate, with every sampling number passed explicitly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from runners.ml import completions
from runners.ml.completions import Completion, Progress
from runners.ml.stage_settings import SamplingSettings

_CHECK_EVERY = 8
"""Tokens between two checks of which rows have ended; a check waits for the device."""


class TransformersSampler:
    """The sampler that runs everywhere."""

    name = "transformers"

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self._model: Any = model
        self._tokenizer = tokenizer
        self._stops = completions.stop_tokens(model)
        config: Any = model.generation_config
        self._pad: int = config.pad_token_id

    def sample(
        self, prompts: Sequence[Sequence[int]], settings: SamplingSettings, progress: Progress
    ) -> list[Completion]:
        """Sample; the same seed and batch size repeat exactly, another batch size does not."""
        config = generation_config(settings, sorted(self._stops), self._pad)
        generate = partial(self._generate, config)
        lines = completions.sample_batches(prompts, settings, generate, progress)
        return completions.read_completions(lines, self._stops, self._tokenizer)

    @torch.inference_mode()
    def _generate(
        self,
        config: GenerationConfig,
        batch: Sequence[Sequence[int]],
        after_check: Callable[[int, int], None],
    ) -> list[list[int]]:
        ids, mask = left_padded(batch, self._pad)
        watch = _Watch(self._stops, ids.shape[1], after_check)
        device = self._model.device
        generated: torch.Tensor = self._model.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            generation_config=config,
            stopping_criteria=StoppingCriteriaList([watch]),
        )
        lines: list[list[int]] = generated[:, ids.shape[1] :].tolist()
        return lines


class _Watch(StoppingCriteria):
    """Stops nothing: it is the one thing that ``generate`` calls after every token."""

    def __init__(
        self, stops: frozenset[int], width: int, after_check: Callable[[int, int], None]
    ) -> None:
        self._stops, self._width, self._after_check = sorted(stops), width, after_check

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> Any:
        """Report how many rows are running and how many tokens they have; stop none."""
        new = input_ids[:, self._width :]
        if new.shape[1] % _CHECK_EVERY == 0:
            stops = torch.tensor(self._stops, device=new.device)
            running = int((~torch.isin(new, stops).any(1)).sum())
            self._after_check(running, new.shape[1])
        return torch.zeros(len(new), dtype=torch.bool, device=new.device)


def generation_config(settings: SamplingSettings, stops: list[int], pad: int) -> GenerationConfig:
    """Return the full config of a call; ``generate`` would fill top_k = 50 into a gap."""
    common: dict[str, Any] = {
        "max_new_tokens": settings.max_new_tokens,
        "eos_token_id": stops,
        "pad_token_id": pad,
        "repetition_penalty": 1.0,
        "use_cache": True,
    }
    if settings.temperature == 0.0:
        return GenerationConfig(do_sample=False, **common)
    return GenerationConfig(
        do_sample=True,
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=settings.top_k,
        **common,
    )


def left_padded(prompts: Sequence[Sequence[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and attention mask, [b, t]; the last prompt token is in the last column."""
    width = max(len(prompt) for prompt in prompts)
    gaps = [width - len(prompt) for prompt in prompts]
    ids = [[*[pad] * gap, *prompt] for gap, prompt in zip(gaps, prompts, strict=True)]
    mask = [[0] * gap + [1] * (width - gap) for gap in gaps]
    return torch.tensor(ids), torch.tensor(mask)
