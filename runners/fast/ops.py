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
class Pointwise:
    """The functions of ``torch_ops``, or faster ones that compute the same."""

    norm: Callable[..., torch.Tensor]
    add_norm: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    spread: Callable[[torch.Tensor, torch.Tensor, int], tuple[torch.Tensor, torch.Tensor]]
    """Lays cosines and sines out once a pass, as ``rotate`` wants them."""
    rotate: Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
    swiglu: Callable[[torch.Tensor], torch.Tensor]
    placement: Callable[[Sequence[torch_ops.Copy]], Callable[[], None]]


PLAIN = Pointwise(
    torch_ops.norm,
    torch_ops.add_norm,
    torch_ops.spread,
    torch_ops.rotate,
    torch_ops.swiglu,
    torch_ops.placement,
)


@functools.cache
def for_device(kind: str) -> Pointwise:
    """Return the kernels on CUDA where Triton and its compiler work, else the plain functions."""
    if kind == "cpu":
        return Pointwise(
            cpu_ops.norm,
            cpu_ops.add_norm,
            cpu_ops.spread,
            cpu_ops.rotate,
            cpu_ops.swiglu,
            torch_ops.placement,
        )
    if kind != "cuda":
        return PLAIN
    try:
        from runners.fast import triton_ops

        made = Pointwise(
            triton_ops.norm,
            triton_ops.add_norm,
            torch_ops.spread,
            triton_ops.rotate,
            triton_ops.swiglu,
            triton_ops.placement,
        )
        _try(made)
    except Exception as error:  # whatever is lacking on this machine
        LOG.warning("Triton does not work here, so steps run unfused: %s", error)
        return PLAIN
    return made


@torch.enable_grad()
def _try(made: Pointwise) -> None:
    x = torch.randn(24, 64, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    total, normed = made.add_norm(x, x, x.detach()[0], 1e-6)
    (total + normed).sum().backward()
    torch.cuda.synchronize()
