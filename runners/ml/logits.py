"""Compares the logits of two states of a model on fixed prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


@torch.inference_mode()
def of_prompts(model: Any, prompts: Sequence[Sequence[int]]) -> list[torch.Tensor]:
    """Return float32 logits [tokens, vocabulary] of each prompt, one forward pass each."""
    return [
        model(input_ids=torch.tensor([list(prompt)], device=model.device), use_cache=False)
        .logits[0]
        .float()
        for prompt in prompts
    ]


def compare(
    live: Sequence[torch.Tensor], merged: Sequence[torch.Tensor], before: Sequence[torch.Tensor]
) -> dict[str, float]:
    """Return how far merged logits are from those of the live adapter, and the adapter's effect."""
    difference = [(a - b).abs() for a, b in zip(live, merged, strict=True)]
    effect = [(a - b).abs() for a, b in zip(live, before, strict=True)]
    return {
        "max_abs": max(float(part.max()) for part in difference),
        "mean_abs": sum(float(part.mean()) for part in difference) / len(difference),
        "effect": max(float(part.max()) for part in effect),
        "largest": max(float(part.abs().max()) for part in merged),
        "same_choice": sum(
            float((a.argmax(-1) == b.argmax(-1)).float().mean())
            for a, b in zip(live, merged, strict=True)
        )
        / len(difference),
    }
