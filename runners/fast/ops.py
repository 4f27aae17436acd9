"""Chooses the steps between the matrix products for a device: Triton, CPU or plain PyTorch."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from runners.fast import cpu_ops, torch_ops

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ops:
    """The functions of ``torch_ops``, or faster ones that compute the same."""

    norm: Callable[..., torch.Tensor]
    add_norm: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    prepare_rope: Callable[[torch.Tensor, torch.Tensor, int], tuple[torch.Tensor, torch.Tensor]]
    """Lays cosines and sines out for ``apply_rope``, once per forward pass."""
    apply_rope: Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
    swiglu: Callable[[torch.Tensor], torch.Tensor]
    copy_adapters: Callable[[Sequence[torch_ops.Copy]], Callable[[], None]]


PLAIN = Ops(
    torch_ops.norm,
    torch_ops.add_norm,
    torch_ops.prepare_rope,
    torch_ops.apply_rope,
    torch_ops.swiglu,
    torch_ops.copy_adapters,
)


@functools.cache
def for_device(kind: str) -> Ops:
    """Return the fastest steps for ``cpu`` or ``cuda``; plain ones where Triton does not work."""
    if kind == "cpu":
        return Ops(
            cpu_ops.norm,
            cpu_ops.add_norm,
            cpu_ops.prepare_rope,
            cpu_ops.apply_rope,
            cpu_ops.swiglu,
            torch_ops.copy_adapters,
        )
    if kind != "cuda":
        return PLAIN
    try:
        from runners.fast import triton_ops

        found = Ops(
            triton_ops.norm,
            triton_ops.add_norm,
            torch_ops.prepare_rope,
            triton_ops.apply_rope,
            triton_ops.swiglu,
            triton_ops.copy_adapters,
        )
        _try(found)
    except Exception as error:  # whatever is missing on this machine
        LOG.warning("training and decoding run unfused, Triton does not work here: %s", error)
        return PLAIN
    return found


@torch.enable_grad()
def _try(ops: Ops) -> None:
    x = torch.randn(24, 64, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    total, normed = ops.add_norm(x, x, x.detach()[0], 1e-6)
    (total + normed).sum().backward()
    torch.cuda.synchronize()
