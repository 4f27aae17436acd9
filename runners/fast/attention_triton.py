"""Causal attention inside packed segments on a GPU: starts the kernels, forward and backward."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import triton

from runners.fast import attention_kernels as kernels

_LOG2_E = math.log2(math.e)


@dataclass(frozen=True, slots=True)
class Tile:
    """How one program works: it owns a block of one side and walks over the other in steps.

    The owned block is a multiple of the step, so that only the blocks on the diagonal need a mask.
    """

    queries: int
    keys: int
    warps: int
    stages: int
    """Steps whose loads are under way at once."""

    def options(self) -> dict[str, int]:
        """Return what the kernel is started with."""
        return {
            "QUERIES": self.queries,
            "KEYS": self.keys,
            "num_warps": self.warps,
            "num_stages": self.stages,
        }


# The fastest of eight or nine each, on an H200 with heads of 128 and rows of 350 to 410 tokens:
# rows are so short that many small programs beat few large ones.
THERE = Tile(64, 64, 4, 2)
TO_QUERIES = Tile(64, 64, 4, 2)
TO_KEYS = Tile(32, 64, 4, 3)


def within_segments(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bounds: torch.Tensor, longest: int
) -> torch.Tensor:
    """Attend causally inside each segment: q [t, heads, d], k and v [t, kv heads, d]."""
    out: torch.Tensor = _Segments.apply(
        q.contiguous(), k.contiguous(), v.contiguous(), bounds, longest
    )
    return out


class _Segments(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        bounds: torch.Tensor,
        longest: int,
    ) -> torch.Tensor:
        tokens, heads, width = q.shape
        out = torch.empty_like(q)
        sums = torch.empty(heads, tokens, dtype=torch.float32, device=q.device)
        grid = (triton.cdiv(longest, THERE.queries), heads, len(bounds) - 1)
        kernels.attend[grid](
            q, k, v, out, sums, bounds, tokens, heads, width**-0.5 * _LOG2_E,
            SHARED=heads // k.shape[1], WIDTH=width, **THERE.options(),
        )  # fmt: skip
        ctx.save_for_backward(q, k, v, out, sums, bounds)
        ctx.longest = longest
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        q, k, v, out, sums, bounds = ctx.saved_tensors
        grad = grad.contiguous()
        tokens, heads, width = q.shape
        shared = heads // k.shape[1]
        factor = width**-0.5
        deltas, of_q = torch.empty_like(sums), torch.empty_like(q)
        grid = (triton.cdiv(ctx.longest, TO_QUERIES.queries), heads, len(bounds) - 1)
        kernels.back_to_queries[grid](
            q, k, v, out, grad, sums, deltas, of_q, bounds, tokens, heads,
            factor * _LOG2_E, factor, SHARED=shared, WIDTH=width, **TO_QUERIES.options(),
        )  # fmt: skip
        parts = q.new_empty(2, *q.shape)
        grid = (triton.cdiv(ctx.longest, TO_KEYS.keys), heads, len(bounds) - 1)
        kernels.back_to_keys[grid](
            q, k, v, grad, sums, deltas, *parts, bounds, tokens, heads,
            factor * _LOG2_E, factor, SHARED=shared, WIDTH=width, **TO_KEYS.options(),
        )  # fmt: skip
        return of_q, *_together(parts, shared), None, None


def _together(parts: torch.Tensor, shared: int) -> torch.Tensor:
    """Sum what the query heads found for the key head they share: [2, t, heads, d] for k and v."""
    if shared == 1:
        return parts
    kinds, tokens, heads, width = parts.shape
    out = parts.new_empty(kinds, tokens, heads // shared, width)
    kernels.sum_shared[(kinds * tokens * heads // shared,)](
        parts, out, SHARED=shared, WIDTH=width, BLOCK=triton.next_power_of_2(shared), num_warps=1
    )
    return out
