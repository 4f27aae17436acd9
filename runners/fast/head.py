"""The logits of a causal language model at chosen positions, through its own forward pass."""

from __future__ import annotations

from typing import Any

import torch


def logits_at(model: Any, where: torch.Tensor, **inputs: Any) -> torch.Tensor:
    """Return logits [n, vocabulary] float32 at ``where``, positions in the b * t states end to end.

    The head runs there alone: bit-identical to full logits, and for a vocabulary of 150,000 the
    difference between 0.3 and 40 GB. What a model does to its logits (softcapping in Gemma 2,
    scaling in Granite) is done to these.
    """

    def pick(_: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
        return (given[0].flatten(0, 1).index_select(0, where)[None],)

    hook = model.get_output_embeddings().register_forward_pre_hook(pick)
    try:
        logits: torch.Tensor = model(use_cache=False, **inputs).logits[0]
    finally:
        hook.remove()
    return logits.float()
