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

_MULTIPLE, _REMAINDER = 32, 16
"""On a GPU batches are padded to odd multiples of 16 tokens: few shapes remain, and cuBLAS picks
better kernels for them. On an H200 a step of a 7B or 8B base took 3 to 10 % longer at 1,600 and
1,664 tokens than at 1,584, 1,616 and 1,648; no multiple of 32 was faster than both its neighbours.
"""


class FusedBackend:
    """Fused matrix products, one kernel each between them, and no work that no loss depends on."""

    name = "fused"

    def __init__(self, decoder: Decoder, graphs: bool = True) -> None:
        self._decoder = decoder
        self._graphs: GraphedLoss | None = None
        self._rounded: PackedBatch | None = None
        """The batch before: bounds that only grow mean fewer shapes to capture."""
        if graphs and attention.runs_on_gpu(decoder.model.lm_head.weight):
            self._graphs = GraphedLoss(decoder.device)

    def pack(self, rows: Sequence[Row]) -> PackedBatch:
        """Pack rows in host memory; on a GPU they share the tokens that they begin with.

        On a CPU what a small base saves by it is lost again in writing the rows out.
        """
        if self._decoder.device.type == "cuda":
            return pack(rows, _MULTIPLE, _REMAINDER, shares=True)
        return pack(rows)

    def summed_loss(self, batch: PackedBatch) -> torch.Tensor:
        """Return the summed cross-entropy in float32, connected to the trained adapters."""
        if not torch.is_grad_enabled():
            return self._loss(batch.to(self._decoder.device))
        self._decoder.attach_gradients()
        if self._graphs is not None:
            self._rounded = round_shapes(batch, self._rounded)
            return self._graphs.summed_loss(self._rounded, self._loss)
        return self._loss(batch.to(self._decoder.device))

    def _loss(self, batch: PackedBatch) -> torch.Tensor:
        self._decoder.copy_adapters()
        return self._decoder.summed_loss(batch)


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
