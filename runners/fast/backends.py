"""How one batch becomes a differentiable loss: through the trunk, or through PEFT's own layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import torch
from peft.helpers import disable_input_dtype_casting
from torch.nn import functional
from transformers import AttentionInterface

from runners.fast import attention, decoder
from runners.fast.cuda_graphs import Graphs
from runners.fast.decoder import Trunk, causal_lm
from runners.fast.packing import Packed, Row, evened, pack

_TILE = 64
"""Tokens are filled up to a multiple of this on a GPU: the time of matrix products goes in such
steps on an H100 or H200, and the number of different shapes stays small."""


class Way(Protocol):
    """A way to the loss."""

    name: str
    """Recorded with the run."""

    def pack(self, rows: Sequence[Row]) -> Packed:
        """Lay rows out and send them to the model's device."""
        ...

    def summed_loss(self, batch: Packed) -> torch.Tensor:
        """Return the summed cross-entropy in float32, with a graph to the trained adapters."""
        ...


class FusedWay:
    """Grouped products, one kernel each between them, and no work without a loss behind it."""

    name = "fused"

    def __init__(self, layers: Trunk, graphs: bool = True) -> None:
        self._trunk = layers
        self._graphs: Graphs | None = None
        self._longest = 0
        """Of all segments so far: one bound for all batches means fewer shapes to record."""
        if graphs and attention.flash_takes(layers.model.lm_head.weight):
            self._graphs = Graphs(layers.device)

    def pack(self, rows: Sequence[Row]) -> Packed:
        """Lay rows out in host memory."""
        return pack(rows, _TILE if self._trunk.device.type == "cuda" else 1)

    def summed_loss(self, batch: Packed) -> torch.Tensor:
        """Return the summed cross-entropy in float32, with a graph to the trained adapters."""
        if not torch.is_grad_enabled():
            return self._loss(batch.to(self._trunk.device))
        self._trunk.attach_gradients()
        if self._graphs is not None:
            even = evened(batch, self._longest)
            self._longest = even.longest
            return self._graphs.summed_loss(even, self._loss)
        return self._loss(batch.to(self._trunk.device))

    def _loss(self, batch: Packed) -> torch.Tensor:
        self._trunk.refresh()

        def attend(
            _: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, where: torch.Tensor | None
        ) -> torch.Tensor:
            bounds, longest = batch.bounds, batch.longest
            return attention.within_segments(q, k, v, bounds, batch.lengths, longest, where)

        hidden = self._trunk(batch.ids, batch.positions, attend, batch.where)
        return cross_entropy(self._trunk.model.lm_head, hidden, batch.targets)


class LeanWay:
    """PEFT's own layers under autocast, over packed rows and without float32 copies of inputs."""

    name = "lean"

    def __init__(self, model: Any) -> None:
        self._model = causal_lm(model)
        self._device: torch.device = self._model.lm_head.weight.device
        self._dtype: torch.dtype = self._model.lm_head.weight.dtype

    def pack(self, rows: Sequence[Row]) -> Packed:
        """Lay rows out and send them to the model's device."""
        return pack(rows).to(self._device)

    def summed_loss(self, batch: Packed) -> torch.Tensor:
        """Return the summed cross-entropy in float32, with a graph to the trained adapters."""
        reduced = self._dtype != torch.float32
        with torch.autocast(self._device.type, dtype=self._dtype, enabled=reduced):
            hidden = self._model.model(
                input_ids=batch.ids[None],
                position_ids=batch.positions[None],
                use_cache=False,
                segment_bounds=batch.bounds,
                segment_lengths=batch.lengths,
            ).last_hidden_state[0]
            return cross_entropy(self._model.lm_head, hidden[batch.where], batch.targets)


@contextmanager
def fused(model: Any, kernels: bool = True, graphs: bool = True) -> Iterator[FusedWay]:
    """Train through the trunk; ask ``trunk.why_not`` first."""
    with decoder.on(model, kernels) as layers:
        yield FusedWay(layers, graphs)


@contextmanager
def lean(model: Any) -> Iterator[LeanWay]:
    """Train through PEFT's layers: any architecture of transformers, any adapter, any dropout.

    Under autocast the gradients are those of plain PEFT to the bit: the input of a wrapped linear
    would be widened to float32 only to be rounded back.
    """
    config = causal_lm(model).config
    before = config._attn_implementation
    AttentionInterface.register(attention.NAME, attention.packed_interface)
    with ExitStack() as stack:
        stack.enter_context(disable_input_dtype_casting(model))
        stack.callback(setattr, config, "_attn_implementation", before)
        config._attn_implementation = attention.NAME
        yield LeanWay(model)


@contextmanager
def best(model: Any) -> Iterator[Way]:
    """Choose the fused way where it computes the same, else the lean one."""
    way = lean if decoder.why_not(model) else fused
    with way(model) as found:
        yield found


def cross_entropy(
    head: torch.nn.Module, hidden: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Sum the cross-entropy over the loss positions, the only ones that see the head."""
    return functional.cross_entropy(head(hidden).float(), targets, reduction="sum")
