"""Replays a batch's forward and backward pass as two CUDA graphs, one pair for each shape."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from runners.fast.packing import Packed

LOG = logging.getLogger(__name__)
Loss = Callable[[Packed], torch.Tensor]
"""A batch on the device to its summed loss; targets of -100 are left out."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two graphs over the same fixed memory."""

    sent: torch.Tensor
    """Where a batch is put."""
    loss: torch.Tensor
    scale: torch.Tensor
    """Where the gradient of the loss is put."""
    forward: torch.cuda.CUDAGraph
    backward: torch.cuda.CUDAGraph


class Graphs:
    """Starting three thousand kernels one by one can take longer than running them.

    The first batch of a shape runs as usual, the second is recorded. Gradients must not pass
    through autograd's leaves: ``loss`` is to add them to memory that stays where it is.
    """

    def __init__(self, loss: Loss, device: torch.device) -> None:
        self._loss = loss
        self._device = device
        self._pairs: dict[tuple[int, ...], _Pair | None] = {}
        self._pool = torch.cuda.graph_pool_handle()
        self._asks = torch.zeros((), device=device, requires_grad=True)
        """Makes autograd come by for the backward pass; gets no gradient."""
        self._waits = False
        self._works = True

    def summed_loss(self, batch: Packed) -> torch.Tensor:
        """Return the summed loss of a batch in host memory, with a graph to the gradients."""
        shape = (len(batch.ids), len(batch.bounds), len(batch.where), batch.longest)
        if not self._works or shape not in self._pairs:
            self._pairs[shape] = None
            return self._loss(batch.to(self._device))
        pair = self._pairs[shape] or self._try_to_record(batch)
        if pair is None:
            return self._loss(batch.to(self._device))
        self._pairs[shape] = pair
        pair.sent.copy_(batch.flat().pin_memory(), non_blocking=True)
        loss: torch.Tensor = _Replay.apply(self._asks, pair, self)
        return loss

    def _try_to_record(self, batch: Packed) -> _Pair | None:
        try:
            return self._record(batch)
        except RuntimeError as error:
            LOG.warning("CUDA graphs do not work here, starting kernels one by one: %s", error)
            self._works = False
            return None

    def _record(self, batch: Packed) -> _Pair:
        sent = batch.flat().to(self._device)
        forward, backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(forward, pool=self._pool):
            loss = self._loss(batch.laid_in(sent))
        scale = torch.ones_like(loss)
        with torch.cuda.graph(backward, pool=self._pool):
            loss.backward(scale)
        return _Pair(sent, loss.detach(), scale, forward, backward)

    def _begin(self) -> None:
        if self._waits:
            raise RuntimeError("take the gradient of one batch before the loss of the next")
        self._waits = True

    def _end(self) -> None:
        self._waits = False


class _Replay(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, _asks: torch.Tensor, pair: _Pair, graphs: Graphs) -> torch.Tensor:
        graphs._begin()
        pair.forward.replay()
        ctx.pair, ctx.graphs = pair, graphs
        return pair.loss.clone()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[None, None, None]:
        ctx.pair.scale.copy_(grad)
        ctx.pair.backward.replay()
        ctx.graphs._end()
        return None, None, None
