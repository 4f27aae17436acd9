"""Mean hidden states at the last prompt token, and their centred cosine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from runners.ml.sampler_transformers import left_padded
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError


@torch.inference_mode()
def last_token_states(
    model: Any,
    prompts: Sequence[Sequence[int]],
    layers: Sequence[int],
    batch_size: int,
    pad: int,
    progress: Callable[[int, int], None],
) -> dict[int, torch.Tensor]:
    """Return per layer the float32 states [prompts, hidden] at each prompt's last token.

    Layer L is the output of block L (0-based), ``hidden_states[L + 1]`` in transformers. Hooks read
    it, because for the last block that list holds the state after the final norm instead.
    """
    found: dict[int, list[torch.Tensor]] = {layer: [] for layer in layers}
    with _hooked(model, found):
        for start in range(0, len(prompts), batch_size):
            ids, mask = left_padded(prompts[start : start + batch_size], pad)
            positions = (mask.cumsum(dim=1) - 1).clamp_min(0)
            model.model(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                position_ids=positions.to(model.device),
                use_cache=False,
            )
            progress(min(start + batch_size, len(prompts)), len(prompts))
    return {layer: torch.cat(parts) for layer, parts in found.items()}


def decoder_blocks(model: Any) -> torch.nn.ModuleList:
    """Return a model's decoder blocks; JobError (config) where they cannot be found."""
    blocks = getattr(getattr(model, "model", None), "layers", None)
    if not isinstance(blocks, torch.nn.ModuleList):
        raise JobError(
            Reason.CONFIG,
            f"the decoder blocks of {type(model).__name__} cannot be found (it has no model.layers)"
            ", so no hidden state can be read: use a base of the Llama or Qwen kind",
        )
    return blocks


@contextmanager
def _hooked(model: Any, found: dict[int, list[torch.Tensor]]) -> Iterator[None]:
    """Collect the layers' outputs while the block runs; they return a tensor or a tuple."""

    def hook(layer: int) -> Any:
        def keep(module: Any, inputs: Any, output: Any) -> None:
            states = output[0] if isinstance(output, tuple) else output
            found[layer].append(states[:, -1, :].float().cpu())

        return blocks[layer].register_forward_hook(keep)

    blocks = decoder_blocks(model)
    handles = [hook(layer) for layer in found]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def centroids(states: torch.Tensor, personas: int) -> torch.Tensor:
    """Average persona-major states [personas * questions, hidden] to [personas, hidden]."""
    return states.view(personas, -1, states.shape[-1]).mean(dim=1)


def centred_cosine(pool: torch.Tensor, first: int, second: int) -> float | None:
    """Return the cosine of two centroids after subtracting the mean of the pool [personas, hidden].

    None when one of them is the mean itself and has no direction.
    """
    centred = (pool - pool.mean(dim=0)).double()
    a, b = centred[first], centred[second]
    size = a.norm() * b.norm()
    # Rounding makes the cosine of equal vectors 1.0000000000000002.
    return max(-1.0, min(1.0, float(a @ b / size))) if size > 0 else None
