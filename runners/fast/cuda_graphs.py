"""Replays a batch's forward and backward pass as two CUDA graphs, one pair for each shape."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from runners.fast.packing import PackedBatch

T = TypeVar("T")
LOG = logging.getLogger(__name__)
_REFUSED = "kernels are launched one by one, CUDA graphs do not work here: %s"
_SCARCE = 0.25
"""Memory is scarce when a smaller share of the device is free."""
Loss = Callable[[PackedBatch], torch.Tensor]
"""A batch on the device -> its summed loss; targets of -100 are left out."""


@dataclass(frozen=True, slots=True)
class _GraphPair:
    """Two graphs over the same fixed memory."""

    static_batch: torch.Tensor
    """Where a batch is put."""
    loss: torch.Tensor
    d_loss: torch.Tensor
    """Where the gradient of the loss is put."""
    forward: torch.cuda.CUDAGraph
    backward: torch.cuda.CUDAGraph


class GraphedLoss:
    """Launching three thousand kernels one by one can take longer than running them.

    The first batch of a shape runs as usual, the second is captured. Gradients must not pass
    through autograd's leaves: ``loss_of`` must add them to memory that stays where it is.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pairs: dict[tuple[int, ...], _GraphPair | None] = {}
        self._pool = torch.cuda.graph_pool_handle()
        self._anchor = torch.zeros((), device=device, requires_grad=True)
        """Makes autograd call backward; gets no gradient."""
        self._awaits_backward = False
        self._works = True

    def summed_loss(self, batch: PackedBatch, loss_of: Loss) -> torch.Tensor:
        """Return the summed loss of a batch in host memory, connected to the gradients.

        ``loss_of`` must be the same function each time. RuntimeError when the loss of a batch is
        asked for before the backward pass of the one before.
        """
        shape = batch.shape()
        if not self._works or shape not in self._pairs:
            self._pairs[shape] = None
            return loss_of(batch.to(self._device))
        pair = self._pairs[shape] or self._try_capture(batch, loss_of)
        if pair is None:
            return loss_of(batch.to(self._device))
        self._pairs[shape] = pair
        pair.static_batch.copy_(batch.flat().pin_memory(), non_blocking=True)
        loss: torch.Tensor = _Replay.apply(self._anchor, pair, self)
        return loss

    def _try_capture(self, batch: PackedBatch, loss_of: Loss) -> _GraphPair | None:
        try:
            return self._capture(batch, loss_of)
        except RuntimeError as error:
            LOG.warning(_REFUSED, error)
            self._works = False
            return None

    def _capture(self, batch: PackedBatch, loss_of: Loss) -> _GraphPair:
        static_batch = batch.flat().to(self._device)
        forward, loss = capture(lambda: loss_of(batch.viewing(static_batch)), self._pool)
        d_loss = torch.ones_like(loss)
        backward, _ = capture(lambda: loss.backward(d_loss), self._pool)
        return _GraphPair(static_batch, loss.detach(), d_loss, forward, backward)

    def _begin(self) -> None:
        if self._awaits_backward:
            raise RuntimeError("call backward for one batch before the loss of the next")
        self._awaits_backward = True

    def _end(self) -> None:
        self._awaits_backward = False


class _Replay(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, _anchor: torch.Tensor, pair: _GraphPair, graphs: GraphedLoss
    ) -> torch.Tensor:
        graphs._begin()
        pair.forward.replay()
        ctx.pair, ctx.graphs = pair, graphs
        return pair.loss.clone()

    @staticmethod
    def backward(ctx: Any, d_loss: torch.Tensor) -> tuple[None, None, None]:
        ctx.pair.d_loss.copy_(d_loss)
        ctx.pair.backward.replay()
        ctx.graphs._end()
        return None, None, None


class GraphedCall:
    """Calls of one function over fixed memory: the first runs it, the second captures it."""

    def __init__(self, device: torch.device) -> None:
        self._works = device.type == "cuda"
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result = torch.empty(0)

    def __call__(self, work: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Run or replay; every replay returns the same memory."""
        self._calls += 1
        if self._works and self._calls == 2:
            try:
                self._graph, self._result = capture(work)
            except RuntimeError as error:
                LOG.warning(_REFUSED, error)
                self._works = False
        if self._graph is None:
            return work()
        self._graph.replay()
        return self._result

    def reset(self) -> None:
        """Forget the graph: some of its memory has moved."""
        self._calls, self._graph, self._result = 0, None, torch.empty(0)


def capture(work: Callable[[], T], pool: Any = None) -> tuple[torch.cuda.CUDAGraph, T]:
    """Capture what ``work`` launches, without running it; RuntimeError when that fails.

    A pool handle may be reused only while a graph that uses it is alive. A capture that fails
    leaves the random generator in capture mode, so its state is put back.
    """
    graph = torch.cuda.CUDAGraph()
    generator = torch.cuda.default_generators[torch.cuda.current_device()]
    before = generator.clone_state()
    torch.cuda.synchronize()
    _free_scarce_memory()
    try:
        with torch.cuda.stream(_stream()):
            return graph, _captured(graph, work, pool)
    except RuntimeError as error:
        generator.graphsafe_set_state(before)
        raise RuntimeError(str(error).splitlines()[0]) from error


def _free_scarce_memory() -> None:
    """A capture can neither use cached memory nor free it when it needs more.

    ``torch.cuda.graph`` frees it each time; the steps after it then allocate all of it again.
    """
    free, total = torch.cuda.mem_get_info()
    if free < _SCARCE * total:
        torch.cuda.empty_cache()


def _captured(graph: torch.cuda.CUDAGraph, work: Callable[[], T], pool: Any) -> T:
    """What broke a capture matters; that ending it then fails too does not."""
    graph.capture_begin(*(() if pool is None else (pool,)))
    try:
        result = work()
    except RuntimeError:
        with suppress(RuntimeError):
            graph.capture_end()
        raise
    graph.capture_end()
    return result


@functools.cache
def _stream() -> torch.cuda.Stream:
    """Captures need a stream other than the default one."""
    return torch.cuda.Stream()
