"""Compares what two states of a model say on fixed prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


@torch.inference_mode()
def on(model: Any, prompts: Sequence[Sequence[int]]) -> list[torch.Tensor]:
    """Return float32 logits [tokens, vocabulary] of each prompt, one forward pass each."""
    return [
        model(input_ids=torch.tensor([list(prompt)], device=model.device), use_cache=False)
        .logits[0]
        .float()
        for prompt in prompts
    ]


def compare(
    live: Sequence[torch.Tensor], folded: Sequence[torch.Tensor], before: Sequence[torch.Tensor]
) -> dict[str, float]:
    """Return the largest difference of live and folded, and the adapter's own effect beside it."""
    difference = [(a - b).abs() for a, b in zip(live, folded, strict=True)]
    effect = [(a - b).abs() for a, b in zip(live, before, strict=True)]
    return {
        "max_abs": max(float(part.max()) for part in difference),
        "mean_abs": sum(float(part.mean()) for part in difference) / len(difference),
        "effect": max(float(part.max()) for part in effect),
        "largest": max(float(part.abs().max()) for part in folded),
        "same_choice": sum(
            float((a.argmax(-1) == b.argmax(-1)).float().mean())
            for a, b in zip(live, folded, strict=True)
        )
        / len(difference),
    }
