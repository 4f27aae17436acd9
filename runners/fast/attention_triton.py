"""Causal attention inside packed segments on a GPU: launches the kernels, forward and backward."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import triton

from runners.fast import attention_kernels as kernels
from runners.fast.packing import Picks

_LOG2_E = math.log2(math.e)


@dataclass(frozen=True, slots=True)
class Tile:
    """The blocks of one program: it owns a block of one side and loops over the other in steps.

    The owned block is a multiple of the step, so only the blocks on the diagonal need a mask.
    """

    queries: int
    keys: int
    warps: int
    stages: int
    """Steps whose loads are in flight at once."""

    def options(self) -> dict[str, int]:
        """Return the kernel's compile-time options."""
        return {
            "QUERIES": self.queries,
            "KEYS": self.keys,
            "num_warps": self.warps,
            "num_stages": self.stages,
        }


# The fastest of eight or nine each, on an H200 with heads of 128 and rows of 350 to 410 tokens:
# with rows this short, many small programs beat few large ones.
FORWARD = Tile(64, 64, 4, 2)
BACKWARD_QUERIES = Tile(64, 64, 4, 2)
BACKWARD_KEYS = Tile(32, 64, 4, 3)
_DOT = 16
"""The fewest rows of a matrix product in a kernel."""
CACHED = Tile(_DOT, 32, 1, 2)
"""Of 64 that were tried, within a hundredth of the fastest for caches of 100, 220 and 370."""


def packed_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cu_seqlens: torch.Tensor,
    max_seqlen: int,
    scale: float,
    picks: Picks | None = None,
) -> torch.Tensor:
    """Attend causally inside each segment: q [t, heads, d], k and v [t, kv heads, d] -> like q.

    With ``picks`` the results of the others are not written, and their gradients are zero.
    """
    out: torch.Tensor = _PackedAttention.apply(
        q.contiguous(), k.contiguous(), v.contiguous(), cu_seqlens, max_seqlen, scale, picks
    )
    return out


def cached_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    used: torch.Tensor,
    scale: float,
    window: int | None = None,
) -> torch.Tensor:
    """Compute ``attention.cached_attention``; no gradients. The cache must be contiguous."""
    q = q.contiguous()
    rows, heads, width = q.shape
    slots, kv_heads = keys.shape[1:3]
    out = torch.empty_like(q)
    kernels.attend_cached[(rows, kv_heads)](
        q, k.contiguous(), v.contiguous(), keys, values, out, used,
        slots, slots if window is None else window, scale * _LOG2_E,
        SHARED=heads // kv_heads, GROUP=max(_DOT, triton.next_power_of_2(heads // kv_heads)),
        WIDTH=width, KEYS=CACHED.keys, num_warps=CACHED.warps, num_stages=CACHED.stages,
    )  # fmt: skip
    return out


class _PackedAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        cu_seqlens: torch.Tensor,
        max_seqlen: int,
        scale: float,
        picks: Picks | None,
    ) -> torch.Tensor:
        tokens, heads, width = q.shape
        out = torch.empty_like(q) if picks is None else q.new_empty(len(picks.rows), heads, width)
        places = cu_seqlens if picks is None else picks.places  # not read where nothing is picked
        lse = torch.empty(heads, tokens, dtype=torch.float32, device=q.device)
        grid = (triton.cdiv(max_seqlen, FORWARD.queries), heads, len(cu_seqlens) - 1)
        kernels.attend[grid](
            q, k, v, out, lse, cu_seqlens, places, tokens, heads, scale * _LOG2_E,
            PICKS=picks is not None, SHARED=heads // k.shape[1], WIDTH=width, **FORWARD.options(),
        )  # fmt: skip
        ctx.save_for_backward(q, k, v, out, lse, cu_seqlens, places)
        ctx.max_seqlen, ctx.scale, ctx.picks = max_seqlen, scale, picks is not None
        return out

    @staticmethod
    def backward(ctx: Any, d_out: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        q, k, v, out, lse, cu_seqlens, places = ctx.saved_tensors
        d_out = d_out.contiguous()
        tokens, heads, width = q.shape
        shared = heads // k.shape[1]
        scales = ctx.scale * _LOG2_E, ctx.scale
        deltas, d_q = torch.empty_like(lse), torch.empty_like(q)
        grid = (triton.cdiv(ctx.max_seqlen, BACKWARD_QUERIES.queries), heads, len(cu_seqlens) - 1)
        kernels.backward_queries[grid](
            q, k, v, out, d_out, lse, deltas, d_q, cu_seqlens, places, tokens, heads,
            *scales, PICKS=ctx.picks, SHARED=shared, WIDTH=width, **BACKWARD_QUERIES.options(),
        )  # fmt: skip
        parts = q.new_empty(2, *q.shape)
        grid = (triton.cdiv(ctx.max_seqlen, BACKWARD_KEYS.keys), heads, len(cu_seqlens) - 1)
        kernels.backward_keys[grid](
            q, k, v, d_out, lse, deltas, *parts, cu_seqlens, places, tokens, heads, *scales,
            PICKS=ctx.picks, SHARED=shared, WIDTH=width, **BACKWARD_KEYS.options(),
        )  # fmt: skip
        return d_q, *_sum_over_queries(parts, shared), *[None] * 4


def _sum_over_queries(parts: torch.Tensor, shared: int) -> torch.Tensor:
    """Sum what the query heads found for the key head they share: [2, t, heads, d] for k and v."""
    if shared == 1:
        return parts
    kinds, tokens, heads, width = parts.shape
    out = parts.new_empty(kinds, tokens, heads // shared, width)
    kernels.sum_shared[(kinds * tokens * heads // shared,)](
        parts, out, SHARED=shared, WIDTH=width, BLOCK=triton.next_power_of_2(shared), num_warps=1
    )
    return out
