"""Replays a batch's forward and backward pass as two CUDA graphs, one pair for each shape."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from runners.fast.packing import Packed

T = TypeVar("T")
LOG = logging.getLogger(__name__)
_REFUSED = "CUDA graphs do not work here, starting kernels one by one: %s"
_SCARCE = 0.25
"""Memory is scarce when a smaller share of the device is free."""
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

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pairs: dict[tuple[int, ...], _Pair | None] = {}
        self._pool = torch.cuda.graph_pool_handle()
        self._asks = torch.zeros((), device=device, requires_grad=True)
        """Makes autograd come by for the backward pass; gets no gradient."""
        self._waits = False
        self._works = True

    def summed_loss(self, batch: Packed, loss_of: Loss) -> torch.Tensor:
        """Return the summed loss of a batch in host memory, with a graph to the gradients.

        ``loss_of`` is the same function each time.
        """
        shape = (len(batch.ids), len(batch.bounds), len(batch.where), batch.longest)
        if not self._works or shape not in self._pairs:
            self._pairs[shape] = None
            return loss_of(batch.to(self._device))
        pair = self._pairs[shape] or self._try_to_record(batch, loss_of)
        if pair is None:
            return loss_of(batch.to(self._device))
        self._pairs[shape] = pair
        pair.sent.copy_(batch.flat().pin_memory(), non_blocking=True)
        loss: torch.Tensor = _Replay.apply(self._asks, pair, self)
        return loss

    def _try_to_record(self, batch: Packed, loss_of: Loss) -> _Pair | None:
        try:
            return self._record(batch, loss_of)
        except RuntimeError as error:
            LOG.warning(_REFUSED, error)
            self._works = False
            return None

    def _record(self, batch: Packed, loss_of: Loss) -> _Pair:
        sent = batch.flat().to(self._device)
        forward, loss = record(lambda: loss_of(batch.laid_in(sent)), self._pool)
        scale = torch.ones_like(loss)
        backward, _ = record(lambda: loss.backward(scale), self._pool)
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


class Recorded:
    """Calls of one function of fixed memory: the first runs it, the second records it."""

    def __init__(self, device: torch.device) -> None:
        self._works = device.type == "cuda"
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result = torch.empty(0)

    def __call__(self, work: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Run or replay; a replay's result lies where the last one lay."""
        self._calls += 1
        if self._works and self._calls == 2:
            try:
                self._graph, self._result = record(work)
            except RuntimeError as error:
                LOG.warning(_REFUSED, error)
                self._works = False
        if self._graph is None:
            return work()
        self._graph.replay()
        return self._result

    def forget(self) -> None:
        """Begin anew: some of the memory is another one now."""
        self._calls, self._graph, self._result = 0, None, torch.empty(0)


def record(work: Callable[[], T], pool: Any = None) -> tuple[torch.cuda.CUDAGraph, T]:
    """Record what ``work`` starts, without running it; RuntimeError when it cannot be recorded.

    A pool handle may be used again only while a graph that uses it is alive. A recording that
    fails leaves the random generator waiting for an end that never comes, so it is put back.
    """
    graph = torch.cuda.CUDAGraph()
    generator = torch.cuda.default_generators[torch.cuda.current_device()]
    before = generator.clone_state()
    torch.cuda.synchronize()
    _make_room()
    try:
        with torch.cuda.stream(_stream()):
            return graph, _captured(graph, work, pool)
    except RuntimeError as error:
        generator.graphsafe_set_state(before)
        raise RuntimeError(str(error).splitlines()[0]) from error


def _make_room() -> None:
    """A recording can neither use cached memory nor give it back when it needs more.

    ``torch.cuda.graph`` gives it back each time; the steps after it then fetch all of it anew.
    """
    free, total = torch.cuda.mem_get_info()
    if free < _SCARCE * total:
        torch.cuda.empty_cache()


def _captured(graph: torch.cuda.CUDAGraph, work: Callable[[], T], pool: Any) -> T:
    """What broke a recording matters; that its end then fails too does not."""
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
    """Recordings need a stream other than the default one."""
    return torch.cuda.Stream()
