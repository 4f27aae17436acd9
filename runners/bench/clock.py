"""Times work on a device that runs behind the program."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch


def settle(device: torch.device) -> None:
    """Wait until the device has nothing left to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: torch.device, repeats: int, warm: int = 2) -> float:
    """Return the median time of one call; the device is settled before and after each."""
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


def once(work: Callable[[], object], device: torch.device) -> float:
    """Return the time of a single call."""
    return seconds(work, device, repeats=1, warm=0)


def peak_gib(device: torch.device) -> float | None:
    """Return the most device memory held since the last reset, None on a CPU."""
    if device.type != "cuda":
        return None
    return torch.cuda.max_memory_allocated(device) / 2**30


def reset_peak(device: torch.device) -> None:
    """Begin a new measurement of the peak; give back what is not in use."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
