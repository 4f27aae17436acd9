"""Times work on a device that runs asynchronously."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment on two clocks."""

    wall: float
    cpu: float
    """Seconds of all threads of this process: nearly the same on a busy machine."""

    def until(self, later: Instant) -> Span:
        """Return the time between."""
        return Span(later.wall - self.wall, later.cpu - self.cpu)


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds that passed on two clocks."""

    wall: float
    cpu: float


def now() -> Instant:
    """Read both clocks."""
    return Instant(time.perf_counter(), time.process_time())


def settle(device: torch.device) -> None:
    """Wait until the device is idle."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: torch.device, repeats: int, warm: int = 2) -> float:
    """Return the median seconds of one call; the device is idle before and after each."""
    for _ in range(warm):
        work()
    found = []
    for _ in range(repeats):
        settle(device)
        start = time.perf_counter()
        work()
        settle(device)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def once(work: Callable[[], object], device: torch.device) -> Span:
    """Return the time of one call."""
    settle(device)
    start = now()
    work()
    settle(device)
    return start.until(now())


def peak_gib(device: torch.device) -> float | None:
    """Return the most device memory held since the last reset, None on a CPU."""
    if device.type != "cuda":
        return None
    return torch.cuda.max_memory_allocated(device) / 2**30


def reset_peak(device: torch.device) -> None:
    """Start a new measurement of the peak; free unused memory."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
