"""Causal attention inside packed segments, and of one new token over a cache; nothing else."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from runners.fast import attention_cpu

LOG = logging.getLogger(__name__)
OnDevice = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, int], torch.Tensor]
"""(q, k, v, bounds, longest) -> like q."""
NAME = "tuilab_packed"
"""Under which transformers knows ``packed_interface``."""


def within_segments(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    bounds: torch.Tensor,
    lengths: tuple[int, ...],
    longest: int,
    where: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attend causally inside each segment: q [t, heads, d], k and v [t, kv heads, d].

    Returns [t, heads, d], or only the rows of the ascending tokens in ``where``.
    """
    if flash_takes(q):
        out = on_device(q.shape[-1], q.dtype)(q, k, v, bounds, longest)
    elif attention_cpu.takes(q, lengths, where):
        return attention_cpu.within_segments(q, k, v, lengths, where)
    else:
        parts = (part.split(lengths) for part in (q, k, v))
        out = torch.cat([_alone(*each) for each in zip(*parts, strict=True) if len(each[0])])
    return out if where is None else out.index_select(0, where)


def over_cache(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, used: torch.Tensor
) -> torch.Tensor:
    """Attend from one token of each row over its cache: q [b, heads, d], k and v [b, s, kv, d].

    ``used`` [b] int32 says how much of each cache row is filled, the new token included.
    """
    if flash_takes(q):
        return _flash_over_cache(q, k, v, used)
    seen = torch.arange(k.shape[1], device=k.device)[None, :] < used[:, None]
    out = scaled_dot_product_attention(
        q[:, :, None],
        k.transpose(1, 2),
        v.transpose(1, 2),
        attn_mask=seen[:, None, None],
        enable_gqa=True,
    )
    return out[:, :, 0]


def packed_interface(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    segment_bounds: torch.Tensor,
    segment_lengths: tuple[int, ...],
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Serve transformers' attention interface: [1, heads, t, d] in, [1, t, heads, d] out."""
    q, k, v = (part[0].transpose(0, 1) for part in (query, key, value))
    longest = max(segment_lengths)
    return within_segments(q, k, v, segment_bounds, segment_lengths, longest)[None], None


def flash_takes(q: torch.Tensor) -> bool:
    """True where segments are read on the device; else their lengths on the host decide."""
    return q.is_cuda and q.dtype in (torch.bfloat16, torch.float16)


@functools.cache
def on_device(width: int, dtype: torch.dtype) -> OnDevice:
    """Return the kernels for heads of this width where they work, else PyTorch's own.

    Ours take two thirds of the time for rows of a few hundred tokens, and the same batch gives the
    same bits.
    """
    try:
        from runners.fast import attention_triton

        _try(attention_triton.within_segments, width, dtype)
    except Exception as error:  # whatever is lacking on this machine
        LOG.warning("Triton does not do attention here, PyTorch does: %s", error)
        return flash
    return attention_triton.within_segments


@torch.enable_grad()
def _try(attend: OnDevice, width: int, dtype: torch.dtype) -> None:
    q, k = (
        torch.randn(24, heads, width, device="cuda", dtype=dtype, requires_grad=True)
        for heads in (4, 2)
    )
    bounds = torch.tensor([0, 9, 24], device="cuda", dtype=torch.int32)
    attend(q, k, k, bounds, 15).sum().backward()
    torch.cuda.synchronize()


def flash(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bounds: torch.Tensor, longest: int
) -> torch.Tensor:
    """Attend by PyTorch's own kernels; gradients of the same batch differ in their last bits."""
    out: torch.Tensor = _Flash.apply(q, k, v, bounds, longest)
    return out


def _alone(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    q, k, v = (part.transpose(0, 1)[None] for part in (q, k, v))
    out = scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    return out[0].transpose(0, 1)


class _Flash(torch.autograd.Function):
    """PyTorch's own variable-length flash attention, which knows grouped heads.

    ``torch.nn.attention.varlen`` wraps the same operators, with other arguments in each release
    and a dispatch that takes longer than the kernel.
    """

    @staticmethod
    def forward(
        ctx: Any,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        bounds: torch.Tensor,
        longest: int,
    ) -> torch.Tensor:
        out, sums, state, unused, _ = torch.ops.aten._flash_attention_forward(
            q, k, v, bounds, bounds, longest, longest, 0.0, True, False
        )
        ctx.save_for_backward(q, k, v, out, sums, bounds, state, unused)
        ctx.longest = longest
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        q, k, v, out, sums, bounds, state, unused = ctx.saved_tensors
        n = ctx.longest
        grads = torch.ops.aten._flash_attention_backward(
            grad, q, k, v, out, sums, bounds, bounds, n, n, 0.0, True, state, unused
        )
        return (*grads, None, None)


def _flash_over_cache(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, used: torch.Tensor
) -> torch.Tensor:
    """Let the heads that share a key stand in for query positions: one pass over each key."""
    rows, slots, kv_heads, width = k.shape
    shared = q.shape[1] // kv_heads
    grouped = q.view(rows, kv_heads, shared, width).transpose(1, 2).reshape(-1, kv_heads, width)
    count = torch.arange(rows + 1, device=q.device, dtype=torch.int32)
    out = torch.ops.aten._flash_attention_forward(
        grouped,
        k.view(rows * slots, kv_heads, width),
        v.view(rows * slots, kv_heads, width),
        count * shared,
        count * slots,
        shared,
        slots,
        0.0,
        False,
        False,
        seqused_k=used,
    )[0]
    return out.view(rows, shared, kv_heads, width).transpose(1, 2).reshape(q.shape)
