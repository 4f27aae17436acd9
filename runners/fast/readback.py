"""Brings small results to the host some steps late, so that the device never waits for them."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import torch

K = TypeVar("K")


class Readback(Generic[K]):
    """A queue of device tensors on their way to the host."""

    def __init__(self, depth: int = 2) -> None:
        self._depth = depth
        """This many results may be on their way; 0 waits for each."""
        self._pending: deque[tuple[K, torch.Tensor, torch.cuda.Event | None]] = deque()

    def push(self, key: K, values: torch.Tensor) -> list[tuple[K, list[float]]]:
        """Send one result; return, in order, those that have arrived."""
        if values.is_cuda:
            host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            host.copy_(values.detach(), non_blocking=True)
            event = torch.cuda.Event()
            event.record()
            self._pending.append((key, host, event))
        else:
            self._pending.append((key, values.detach().clone(), None))
        return self._arrived(self._depth)

    def flush(self) -> list[tuple[K, list[float]]]:
        """Wait for everything that was sent. Call it before a state is kept as good."""
        return self._arrived(0)

    def _arrived(self, allowed: int) -> list[tuple[K, list[float]]]:
        found = []
        while self._pending:
            key, host, event = self._pending[0]
            if event is not None and not event.query():
                if len(self._pending) <= allowed:
                    break
                event.synchronize()
            self._pending.popleft()
            found.append((key, host.tolist()))
        return found
