"""Samples through transformers' batched generate, with every sampling number passed explicitly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from runners.ml.plans import SamplingPlan
from runners.ml.sampling import Completion, batch_seed, read_completions, stop_tokens


class TransformersSampler:
    """The body that runs everywhere."""

    name = "transformers"

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self._model: Any = model
        self._tokenizer = tokenizer
        self._stops = stop_tokens(model)
        config: Any = model.generation_config
        self._pad: int = config.pad_token_id

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        plan: SamplingPlan,
        after_batch: Callable[[int, int], None],
    ) -> list[Completion]:
        """Sample batch by batch in the given order; each batch has its own seed.

        The same seed and batch size repeat exactly; another batch size gives other texts.
        """
        config = generation_config(plan, sorted(self._stops), self._pad)
        found: list[Completion] = []
        for number, start in enumerate(range(0, len(prompts), plan.batch_size)):
            batch = prompts[start : start + plan.batch_size]
            torch.manual_seed(batch_seed(plan.seed, number))
            made = self._generate(batch, config).tolist()
            found += read_completions(made, self._stops, self._tokenizer)
            after_batch(len(found), len(prompts))
        return found

    @torch.inference_mode()
    def _generate(self, batch: Sequence[Sequence[int]], config: GenerationConfig) -> torch.Tensor:
        ids, mask = left_padded(batch, self._pad)
        device = self._model.device
        made: torch.Tensor = self._model.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            generation_config=config,
        )
        return made[:, ids.shape[1] :]


def generation_config(plan: SamplingPlan, stops: list[int], pad: int) -> GenerationConfig:
    """Return the full config of a call; ``generate`` would fill top_k = 50 into a gap."""
    common = {
        "max_new_tokens": plan.max_new_tokens,
        "eos_token_id": stops,
        "pad_token_id": pad,
        "repetition_penalty": 1.0,
        "use_cache": True,
    }
    if plan.temperature == 0.0:
        return GenerationConfig(do_sample=False, **common)
    return GenerationConfig(
        do_sample=True,
        temperature=plan.temperature,
        top_p=plan.top_p,
        top_k=plan.top_k,
        **common,
    )


def left_padded(prompts: Sequence[Sequence[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and attention mask, [b, t]; the last prompt token is in the last column."""
    width = max(len(prompt) for prompt in prompts)
    gaps = [width - len(prompt) for prompt in prompts]
    ids = [[*[pad] * gap, *prompt] for gap, prompt in zip(gaps, prompts, strict=True)]
    mask = [[0] * gap + [1] * (width - gap) for gap in gaps]
    return torch.tensor(ids), torch.tensor(mask)
