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
from runners.fast.decoder import Decoder, causal_lm
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

        def attend(
            _: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, where: torch.Tensor | None
        ) -> torch.Tensor:
            return attention.packed_attention(
                q, k, v, batch.cu_seqlens, batch.lengths, batch.max_seqlen, where
            )

        hidden = self._decoder(batch.ids, batch.positions, attend, batch.where)
        return cross_entropy(self._decoder.model.lm_head, hidden, batch.targets)


class LeanBackend:
    """PEFT's own layers under autocast, over packed rows and without float32 copies of inputs."""

    name = "lean"

    def __init__(self, model: Any) -> None:
        self._model = causal_lm(model)
        self._device: torch.device = self._model.lm_head.weight.device
        self._dtype: torch.dtype = self._model.lm_head.weight.dtype

    def pack(self, rows: Sequence[Row]) -> PackedBatch:
        """Pack rows on the model's device."""
        return pack(rows).to(self._device)

    def summed_loss(self, batch: PackedBatch) -> torch.Tensor:
        """Return the summed cross-entropy in float32, connected to the trained adapters."""
        reduced = self._dtype != torch.float32
        with torch.autocast(self._device.type, dtype=self._dtype, enabled=reduced):
            hidden = self._model.model(
                input_ids=batch.ids[None],
                position_ids=batch.positions[None],
                use_cache=False,
                packed_cu_seqlens=batch.cu_seqlens,
                packed_lengths=batch.lengths,
            ).last_hidden_state[0]
            return cross_entropy(self._model.lm_head, hidden[batch.where], batch.targets)


@contextmanager
def fused(model: Any, kernels: bool = True, graphs: bool = True) -> Iterator[FusedBackend]:
    """Train through the decoder; ask ``decoder.why_not`` first."""
    with decoder.fused(model, kernels) as found:
        yield FusedBackend(found, graphs)


@contextmanager
def lean(model: Any) -> Iterator[LeanBackend]:
    """Train through PEFT's layers: any architecture of transformers, any adapter, any dropout.

    Under autocast the gradients are those of plain PEFT to the bit: PEFT would widen the input of
    a wrapped linear layer to float32 only to round it back.
    """
    config = causal_lm(model).config
    before = config._attn_implementation
    AttentionInterface.register(attention.INTERFACE, attention.packed_interface)
    with ExitStack() as stack:
        stack.enter_context(disable_input_dtype_casting(model))
        stack.callback(setattr, config, "_attn_implementation", before)
        config._attn_implementation = attention.INTERFACE
        yield LeanBackend(model)


@contextmanager
def fastest(model: Any) -> Iterator[FusedBackend | LeanBackend]:
    """Choose the fused backend where it computes the same, else the lean one."""
    if decoder.why_not(model) is None:
        with fused(model) as found:
            yield found
    else:
        with lean(model) as fallback:
            yield fallback


def cross_entropy(
    head: torch.nn.Module, hidden: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Sum the cross-entropy of hidden [n, hidden] against targets [n], in float32."""
    return functional.cross_entropy(head(hidden).float(), targets, reduction="sum")
