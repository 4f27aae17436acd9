"""How a packed batch becomes a differentiable loss: through our decoder, or PEFT's own layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from peft.helpers import disable_input_dtype_casting
from torch.nn import functional
from transformers import AttentionInterface

from runners.fast import attention, decoder
from runners.fast.cuda_graphs import GraphedLoss
from runners.fast.decoder import Decoder
from runners.fast.head import logits_at
from runners.fast.llama_shape import causal_lm
from runners.fast.packing import PackedBatch, Row, pack, round_shapes

_TILE = 64
"""Tokens are padded to a multiple of this on a GPU: the time of matrix products grows in such
steps on an H100 or H200, and few shapes remain."""


class FusedBackend:
    """Fused matrix products, one kernel each between them, and no work that no loss depends on."""

    name = "fused"

    def __init__(self, decoder: Decoder, graphs: bool = True) -> None:
        self._decoder = decoder
        self._graphs: GraphedLoss | None = None
        self._max_seqlen = 0
        """Of all segments so far: one bound for all batches means fewer shapes to capture."""
        if graphs and attention.runs_on_gpu(decoder.model.lm_head.weight):
            self._graphs = GraphedLoss(decoder.device)

    def pack(self, rows: Sequence[Row]) -> PackedBatch:
        """Pack rows in host memory."""
        return pack(rows, _TILE if self._decoder.device.type == "cuda" else 1)

    def summed_loss(self, batch: PackedBatch) -> torch.Tensor:
        """Return the summed cross-entropy in float32, connected to the trained adapters."""
        if not torch.is_grad_enabled():
            return self._loss(batch.to(self._decoder.device))
        self._decoder.attach_gradients()
        if self._graphs is not None:
            rounded = round_shapes(batch, self._max_seqlen)
            self._max_seqlen = rounded.max_seqlen
            return self._graphs.summed_loss(rounded, self._loss)
        return self._loss(batch.to(self._decoder.device))

    def _loss(self, batch: PackedBatch) -> torch.Tensor:
        self._decoder.copy_adapters()

        attend = self._decoder.within(batch.cu_seqlens, batch.lengths, batch.max_seqlen)
        hidden = self._decoder(batch.ids, batch.positions, attend, batch.where)
        logits = self._decoder.logits(hidden).float()
        return functional.cross_entropy(logits, batch.targets, reduction="sum")


class LeanBackend:
    """Packed rows through PEFT's own layers, which know what a model adds to the usual decoder."""

    name = "lean"

    def __init__(self, model: Any, autocasts: bool) -> None:
        self._model = causal_lm(model)
        self._device: torch.device = self._model.get_output_embeddings().weight.device
        self._autocasts = autocasts

    def pack(self, rows: Sequence[Row]) -> PackedBatch:
        """Pack rows on the model's device."""
        return pack(rows).to(self._device)

    def summed_loss(self, batch: PackedBatch) -> torch.Tensor:
        """Return the summed cross-entropy in float32, connected to the trained adapters."""
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._autocasts):
            logits = logits_at(
                self._model,
                batch.where,
                input_ids=batch.ids[None],
                position_ids=batch.positions[None],
                packed_cu_seqlens=batch.cu_seqlens,
                packed_lengths=batch.lengths,
            )
        return functional.cross_entropy(logits, batch.targets, reduction="sum")


@contextmanager
def fused(model: Any, kernels: bool = True, graphs: bool = True) -> Iterator[FusedBackend]:
    """Train through the decoder; ask ``llama_shape.why_not`` first."""
    with decoder.fused(model, kernels) as found:
        yield FusedBackend(found, graphs)


@contextmanager
def lean(model: Any, precision: str | None = None) -> Iterator[LeanBackend]:
    """Train through PEFT's layers: any architecture of transformers, any adapter, any dropout.

    ``precision`` is ``float32``, or ``bfloat16`` for autocast; that of the base when it is None.
    Under autocast the gradients are those of plain PEFT to the bit: PEFT would widen the input of
    a wrapped linear layer to float32 only to round it back.
    """
    inner = causal_lm(model)
    config, dtype = inner.config, inner.get_output_embeddings().weight.dtype
    autocasts = (precision or str(dtype)).removeprefix("torch.") == "bfloat16"
    before = config._attn_implementation
    AttentionInterface.register(attention.INTERFACE, attention.packed_interface)
    with ExitStack() as stack:
        if autocasts or dtype == torch.float32:
            stack.enter_context(disable_input_dtype_casting(model))
        stack.callback(setattr, config, "_attn_implementation", before)
        config._attn_implementation = attention.INTERFACE
        yield LeanBackend(model, autocasts)
