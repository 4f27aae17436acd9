"""The steps between the matrix products in plain PyTorch, and which faster ones a device has."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from runners.fast import host

LOG = logging.getLogger(__name__)


Copy = tuple[torch.Tensor, torch.Tensor, float]
"""(source, target, factor): target = factor * source."""


@dataclass(frozen=True, slots=True)
class Pointwise:
    """The functions of this module, or kernels that compute the same."""

    norm: Callable[..., torch.Tensor]
    add_norm: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    spread: Callable[[torch.Tensor, torch.Tensor, int], tuple[torch.Tensor, torch.Tensor]]
    """Lays cosines and sines out once a pass, as ``rotate`` wants them."""
    rotate: Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
    swiglu: Callable[[torch.Tensor], torch.Tensor]
    placement: Callable[[Sequence[Copy]], Callable[[], None]]


def norm(x: torch.Tensor, weight: torch.Tensor, eps: float, room: int = 0) -> torch.Tensor:
    """Root-mean-square norm in float32, as ``Qwen2RMSNorm`` (arXiv 1910.07467).

    Kernels return ``room`` spare columns behind it, which ``wide.Group`` can use; this does not.
    """
    wide = x.float()
    scaled = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    return weight * scaled.to(x.dtype)


def add_norm(
    x: torch.Tensor, change: torch.Tensor, weight: torch.Tensor, eps: float, room: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the residual stream after ``change``, and its norm.

    Spare columns of ``change`` are left alone.
    """
    total = x + change[:, : x.shape[1]]
    return total, norm(total, weight, eps)


def spread(cos: torch.Tensor, sin: torch.Tensor, heads: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Leave cosines and sines [t, d] as they are: one row serves all heads."""
    return cos, sin


def rotate(
    qkv: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, heads: int, kv_heads: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Split [t, (heads + 2 kv_heads) d] and turn q and k by their positions (arXiv 2104.09864)."""
    width = cos.shape[-1]
    parts = qkv.unflatten(-1, (-1, width))
    q, k, v = parts.split((heads, kv_heads, kv_heads), dim=1)
    return _turn(q, cos, sin), _turn(k, cos, sin), v


def swiglu(gate_up: torch.Tensor) -> torch.Tensor:
    """silu(gate) * up of [t, 2 n] (arXiv 2002.05202)."""
    gate, up = gate_up.chunk(2, dim=-1)
    return functional.silu(gate) * up


def _turn(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    low, high = x.chunk(2, dim=-1)
    return x * cos[:, None] + torch.cat((-high, low), dim=-1) * sin[:, None]


def placement(copies: Sequence[Copy]) -> Callable[[], None]:
    """Return a function that makes all copies, each time it is called."""

    @torch.no_grad()
    def place() -> None:
        for source, target, factor in copies:
            torch.mul(source, factor, out=target)

    return place


PLAIN = Pointwise(norm, add_norm, spread, rotate, swiglu, placement)


@functools.cache
def for_device(kind: str) -> Pointwise:
    """Return the kernels on CUDA where Triton and its compiler work, else the plain functions."""
    if kind == "cpu":
        return Pointwise(host.norm, host.add_norm, host.spread, host.rotate, host.swiglu, placement)
    if kind != "cuda":
        return PLAIN
    try:
        from runners.fast import launch

        made = Pointwise(
            launch.norm, launch.add_norm, spread, launch.rotate, launch.swiglu, launch.placement
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
