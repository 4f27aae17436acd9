"""Fingerprints weights on their device, so that two processes can tell if a model is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch

from runners.fast import ops

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


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
    return ops.for_device(bits.device.type).bit_sums(bits)
