"""Samples through transformers' batched generate, with every sampling number passed explicitly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from runners.ml.completions import Completion, batch_seed, counted, read_completions, stop_tokens
from runners.ml.stage_settings import SamplingPlan

_LOOK_EVERY = 8
"""Tokens between two looks at which rows have ended; a look waits for the device."""


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
            begun = start + len(batch)

            def after_look(running: int, tokens: int, begun: int = begun) -> None:
                done = counted(begun, running, tokens, plan.max_new_tokens)
                after_batch(done, len(prompts))

            torch.manual_seed(batch_seed(plan.seed, number))
            made = self._generate(batch, config, after_look).tolist()
            found += read_completions(made, self._stops, self._tokenizer)
            after_batch(len(found), len(prompts))
        return found

    @torch.inference_mode()
    def _generate(
        self,
        batch: Sequence[Sequence[int]],
        config: GenerationConfig,
        after_look: Callable[[int, int], None],
    ) -> torch.Tensor:
        ids, mask = left_padded(batch, self._pad)
        look = _Look(self._stops, ids.shape[1], after_look)
        device = self._model.device
        made: torch.Tensor = self._model.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            generation_config=config,
            stopping_criteria=StoppingCriteriaList([look]),
        )
        return made[:, ids.shape[1] :]


class _Look(StoppingCriteria):
    """Stops nothing: it is the one thing that ``generate`` calls after every token."""

    def __init__(
        self, stops: frozenset[int], width: int, after_look: Callable[[int, int], None]
    ) -> None:
        self._stops, self._width, self._after_look = sorted(stops), width, after_look

    def __call__(
        self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any
    ) -> torch.Tensor:
        """Say how many rows still run and how many tokens they have; return that none must end."""
        made = input_ids[:, self._width :]
        if made.shape[1] % _LOOK_EVERY == 0:
            stops = torch.tensor(self._stops, device=made.device)
            running = int((~torch.isin(made, stops).any(1)).sum())
            self._after_look(running, made.shape[1])
        return torch.zeros(len(made), dtype=torch.bool, device=made.device)


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
