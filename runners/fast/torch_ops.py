"""The steps between the matrix products in plain PyTorch: what the kernels must compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from runners.fast.packing import Sharing

ODD = -7046029254386353131
"""0x9E3779B97F4A7C15 as a signed number: Knuth's multiplicative constant for 64 bits."""
_CHUNK = 1 << 24
"""Elements per chunk: 128 MiB of 64-bit integers."""
Copy = tuple[torch.Tensor, torch.Tensor, float]
"""(source, target, factor): target = factor * source."""


@dataclass(frozen=True, slots=True)
class HeadNorms:
    """Norms of each query and key head before RoPE, as Qwen3 has them (arXiv 2505.09388)."""

    q: torch.Tensor
    """[d]: the weight, the same for all query heads."""
    k: torch.Tensor
    """[d]."""
    eps: float


def norm(x: torch.Tensor, weight: torch.Tensor, eps: float, pad_columns: int = 0) -> torch.Tensor:
    """Root-mean-square norm of [..., n] in float32, as ``Qwen2RMSNorm`` (arXiv 1910.07467).

    Pad columns of x are ignored. Kernels append ``pad_columns`` columns for ``FusedLoraLinear`` to
    fill; this does not.
    """
    x = x[..., : len(weight)]
    precise = x.float()
    scaled = precise * torch.rsqrt(precise.pow(2).mean(-1, keepdim=True) + eps)
    return weight * scaled.to(x.dtype)


def add_norm(
    x: torch.Tensor, update: torch.Tensor, weight: torch.Tensor, eps: float, pad_columns: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the residual stream after ``update``, and its norm.

    Pad columns of ``update`` are ignored.
    """
    total = x + update[:, : x.shape[1]]
    return total, norm(total, weight, eps)


def prepare_rope(
    cos: torch.Tensor, sin: torch.Tensor, heads: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cosines and sines [t, d] as they are: one row serves all heads."""
    return cos, sin


def apply_rope(
    qkv: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    heads: int,
    kv_heads: int,
    norms: HeadNorms | None = None,
    sharing: Sharing | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Split [t, (heads + 2 kv_heads) d] into q, k, v, with RoPE on q and k (arXiv 2104.09864).

    Tokens that rows share are written out: q, k and v are [T, heads, d], as are cos and sin.
    """
    q, k, v = split_heads(qkv if sharing is None else qkv[sharing.source], heads, kv_heads)
    if norms is not None:
        q, k = norm(q, norms.q, norms.eps), norm(k, norms.k, norms.eps)
    return _rope(q, cos, sin), _rope(k, cos, sin), v


def split_heads(
    qkv: torch.Tensor, heads: int, kv_heads: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """View [t, (heads + 2 kv_heads) d] as q [t, heads, d], k and v [t, kv_heads, d]."""
    q, k, v = qkv.unflatten(-1, (heads + 2 * kv_heads, -1)).split((heads, kv_heads, kv_heads), 1)
    return q, k, v


def pick_rows(x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return ``x[rows]``; no row is named twice, so a gradient is copied, not added."""
    found: torch.Tensor = _PickRows.apply(x, rows)
    return found


def swiglu(gate_up: torch.Tensor) -> torch.Tensor:
    """Return silu(gate) * up, [t, n], of [t, 2 n] (arXiv 2002.05202)."""
    gate, up = gate_up.chunk(2, dim=-1)
    return functional.silu(gate) * up


def summed_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the summed cross-entropy of logits [n, vocabulary] in float32; -100 is left out."""
    return functional.cross_entropy(logits.float(), targets, reduction="sum")


def draw(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """Draw one token per row of [b, vocabulary] as transformers' generate does, [b] int64."""
    scores = logits.float()
    scores = scores if temperature == 1.0 else scores / temperature
    return torch.multinomial(scores.softmax(-1), num_samples=1)[:, 0]


def bit_sums(bits: torch.Tensor) -> torch.Tensor:
    """Return [2] int64: the sum of the integers [n], and one weighted by position, modulo 2^64."""
    total = torch.zeros(2, dtype=torch.int64, device=bits.device)
    for start in range(0, bits.numel(), _CHUNK):
        part = bits[start : start + _CHUNK].to(torch.int64)
        index = torch.arange(start, start + part.numel(), dtype=torch.int64, device=part.device)
        weights = (index * 2 + 1) * ODD
        total += torch.stack([part.sum(), (part * (weights ^ (weights >> 29))).sum()])
    return total


def copy_adapters(copies: Sequence[Copy]) -> Callable[[], None]:
    """Return a function that makes all copies each time it is called."""

    @torch.no_grad()
    def copy() -> None:
        for source, target, factor in copies:
            torch.mul(source, factor, out=target)

    return copy


def _rope(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Angles may be more precise than x, as OLMo 2 keeps them."""
    low, high = x.chunk(2, dim=-1)
    turned = x * cos[:, None] + torch.cat((-high, low), dim=-1) * sin[:, None]
    return turned.to(x.dtype)


class _PickRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(rows)
        ctx.shape = x.shape
        return x.index_select(0, rows)

    @staticmethod
    def backward(ctx: Any, d_out: torch.Tensor) -> tuple[torch.Tensor, None]:
        (rows,) = ctx.saved_tensors
        return d_out.new_zeros(ctx.shape).index_copy_(0, rows, d_out), None
