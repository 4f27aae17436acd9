"""Fingerprints weights on their device, so that two processes can tell if a model is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_ODD = -7046029254386353131
"""0x9E3779B97F4A7C15 as a signed number: Knuth's multiplicative constant for 64 bits."""
_CHUNK = 1 << 24
"""Elements per chunk: 128 MiB of 64-bit integers."""


def of_tensors(named: Iterable[tuple[str, torch.Tensor]]) -> str:
    """Return a sha256 over name, dtype, shape and two integer sums of each tensor's bits.

    Integer sums are exact, so equal on CPU and CUDA; one of them is weighted by position. This
    guards against mistakes, not against an adversary, and costs one read of the memory.
    """
    heads, sums = [], []
    for name, tensor in named:
        heads.append(f"{name} {tensor.dtype} {tuple(tensor.shape)}")
        sums.append(_sums(tensor))
    values = torch.stack(sums).tolist() if sums else []
    lines = sorted(f"{head} {a} {b}\n" for head, (a, b) in zip(heads, values, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sums(tensor: torch.Tensor) -> torch.Tensor:
    bits = tensor.detach().contiguous().view(-1).view(_INTEGERS[tensor.element_size()])
    total = torch.zeros(2, dtype=torch.int64, device=tensor.device)
    for start in range(0, bits.numel(), _CHUNK):
        part = bits[start : start + _CHUNK].to(torch.int64)
        index = torch.arange(start, start + part.numel(), dtype=torch.int64, device=part.device)
        weights = (index * 2 + 1) * _ODD
        total += torch.stack([part.sum(), (part * (weights ^ (weights >> 29))).sum()])
    return total
