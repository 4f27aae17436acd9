"""Causal attention inside packed segments, and of one new token over a cache; nothing else."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from runners.fast import attention_cpu
from runners.fast.packing import Picks
from runners.fast.torch_ops import pick_rows

LOG = logging.getLogger(__name__)
PackedAttention = Callable[..., torch.Tensor]
"""(q, k, v, cu_seqlens, max_seqlen, scale, picks=None) -> like q, or its picked rows."""
INTERFACE = "tuilab_packed"
"""The name of ``packed_interface`` in transformers' registry of attention functions."""


@dataclass(frozen=True, slots=True)
class Scores:
    """How a token scores what it sees."""

    scale: float | None = None
    """Of the products of queries and keys; None: 1 / sqrt(d)."""
    window: int | None = None
    """How many tokens it sees, itself included; None: all before it."""
    softcap: float | None = None
    """Bounds the scores as Gemma 2 does."""

    def scale_of(self, q: torch.Tensor) -> float:
        """Return the scale for queries [..., d]."""
        return float(q.shape[-1]) ** -0.5 if self.scale is None else self.scale


USUAL = Scores()


def packed_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cu_seqlens: torch.Tensor,
    lengths: tuple[int, ...],
    max_seqlen: int,
    where: torch.Tensor | None = None,
    scores: Scores = USUAL,
    picks: Picks | None = None,
) -> torch.Tensor:
    """Attend causally inside each segment: q [t, heads, d], k and v [t, kv heads, d].

    ``cu_seqlens`` [segments + 1] int32 holds the start of each segment, and t. Returns
    [t, heads, d], or only the rows of the tokens in ``where`` (ascending) or of ``picks``.
    """
    scale, window = scores.scale_of(q), scores.window
    if window is not None and window >= max_seqlen:
        window = None
    if scores.softcap is not None:
        capped = partial(_softcapped, scale=scale, window=window, softcap=scores.softcap)
        out = _in_turn(capped, q, k, v, lengths)
    elif runs_on_gpu(q):
        attend = gpu_attention(q.shape[-1], q.dtype) if window is None else flash
        options = {} if window is None else {"window": window}
        out = attend(q, k, v, cu_seqlens, max_seqlen, scale, picks=picks, **options)
        picks = None
    elif window is None and picks is None and attention_cpu.suits(q, lengths, where):
        return attention_cpu.packed_attention(q, k, v, lengths, scale, where)
    else:
        out = _in_turn(partial(one_segment, scale=scale, window=window), q, k, v, lengths)
    out = _picked(out, picks)
    return out if where is None else out.index_select(0, where)


def cached_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    used: torch.Tensor,
    scores: Scores = USUAL,
) -> torch.Tensor:
    """Put one new token of each row into its cache and attend from it: returns [b, heads, d].

    q is [b, heads, d], the new token's k and v [b, kv heads, d], the cache [b, slots, kv heads, d].
    ``used`` [b] int32 is how many slots of each row are then filled. Softcapping is not done here.
    """
    scale, window = scores.scale_of(q), scores.window
    if runs_on_gpu(q) and (kernels := _kernels(q.shape[-1], q.dtype)):
        out: torch.Tensor = kernels.cached_attention(q, k, v, keys, values, used, scale, window)
        return out
    row = torch.arange(len(used), device=used.device)
    keys[row, used - 1], values[row, used - 1] = k, v
    slot = torch.arange(keys.shape[1], device=keys.device)[None, :]
    seen = slot < used[:, None]
    if window is not None:
        seen &= slot >= used[:, None] - window
    out = scaled_dot_product_attention(
        q[:, :, None],
        keys.transpose(1, 2),
        values.transpose(1, 2),
        attn_mask=seen[:, None, None],
        scale=scale,
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
    packed_cu_seqlens: torch.Tensor,
    packed_lengths: tuple[int, ...],
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Serve transformers' attention interface: [1, heads, t, d] in, [1, t, heads, d] out."""
    q, k, v = (part[0].transpose(0, 1) for part in (query, key, value))
    scores = Scores(scaling, sliding_window, softcap)
    longest = max(packed_lengths)
    out = packed_attention(q, k, v, packed_cu_seqlens, packed_lengths, longest, scores=scores)
    return out[None], None


def runs_on_gpu(q: torch.Tensor) -> bool:
    """True where the kernels read the segments from ``cu_seqlens``, on the device."""
    return q.is_cuda and q.dtype in (torch.bfloat16, torch.float16)


def gpu_attention(width: int, dtype: torch.dtype) -> PackedAttention:
    """Return our kernels for heads of this width where they work, else PyTorch's own.

    Ours take two thirds of the time for rows of a few hundred tokens, and the same batch gives the
    same bits.
    """
    kernels = _kernels(width, dtype)
    return kernels.packed_attention if kernels else flash


@functools.cache
def _kernels(width: int, dtype: torch.dtype) -> ModuleType | None:
    """Return ``attention_triton`` where its kernels work for heads of this width."""
    try:
        from runners.fast import attention_triton

        _try(attention_triton, width, dtype)
    except Exception as error:  # whatever is missing on this machine
        LOG.warning("attention runs on PyTorch's kernels, Triton does not work here: %s", error)
        return None
    return attention_triton


@torch.enable_grad()
def _try(kernels: ModuleType, width: int, dtype: torch.dtype) -> None:
    """Attend once; no random number is drawn, since a sampling may be in the middle of its own."""
    q, k = (
        torch.linspace(-1, 1, 24 * heads * width, device="cuda", dtype=dtype)
        .view(24, heads, width)
        .requires_grad_()
        for heads in (4, 2)
    )
    cu_seqlens = torch.tensor([0, 9, 24], device="cuda", dtype=torch.int32)
    kernels.packed_attention(q, k, k, cu_seqlens, 15, 0.1).sum().backward()
    new, cache = k[:2].detach(), k.detach().view(2, 12, 2, width).clone()
    used = torch.tensor([1, 12], device="cuda", dtype=torch.int32)
    kernels.cached_attention(q[:2].detach(), new, new, cache, cache.clone(), used, 0.1)
    torch.cuda.synchronize()


def flash(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cu_seqlens: torch.Tensor,
    max_seqlen: int,
    scale: float,
    window: int | None = None,
    picks: Picks | None = None,
) -> torch.Tensor:
    """Attend by PyTorch's own kernels; gradients of the same batch differ in their last bits."""
    return _picked(_Flash.apply(q, k, v, cu_seqlens, max_seqlen, scale, window), picks)


def _picked(out: torch.Tensor, picks: Picks | None) -> torch.Tensor:
    return out if picks is None else pick_rows(out, picks.rows)


def one_segment(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    scale: float | None = None,
    window: int | None = None,
) -> torch.Tensor:
    """Attend causally within one segment: q [t, heads, d], k and v [t, kv heads, d] -> like q."""
    mask = None if window is None else _visible(len(q), window, q.device)
    q, k, v = (part.transpose(0, 1)[None] for part in (q, k, v))
    out = scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=mask is None, scale=scale, enable_gqa=True
    )
    return out[0].transpose(0, 1)


def _softcapped(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    scale: float,
    window: int | None,
    softcap: float,
) -> torch.Tensor:
    """Attend within one segment with scores in (-softcap, softcap) (arXiv 2408.00118)."""
    tokens, heads, width = q.shape
    grouped = q.view(tokens, k.shape[1], -1, width)
    scores = torch.einsum("ikgd,jkd->kgij", grouped, k) * scale
    scores = torch.tanh(scores / softcap) * softcap
    seen = _visible(tokens, window or tokens, q.device)
    probs = scores.float().masked_fill(~seen, -torch.inf).softmax(-1).to(v.dtype)
    return torch.einsum("kgij,jkd->ikgd", probs, v).reshape(tokens, heads, width)


def _visible(tokens: int, window: int, device: torch.device) -> torch.Tensor:
    """Return [t, t] bool: True where a token (row) sees another one or itself."""
    before = torch.ones(tokens, tokens, dtype=torch.bool, device=device).tril()
    return before & ~before.tril(-window)


def _in_turn(
    attend: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    lengths: tuple[int, ...],
) -> torch.Tensor:
    segments = zip(*(part.split(lengths) for part in (q, k, v)), strict=True)
    return torch.cat([attend(*each) for each in segments if len(each[0])])


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
        cu_seqlens: torch.Tensor,
        max_seqlen: int,
        scale: float,
        window: int | None,
    ) -> torch.Tensor:
        out: torch.Tensor
        ctx.options = {"scale": scale}
        if window is not None:
            ctx.options |= {"window_size_left": window - 1, "window_size_right": 0}
        out, lse, state, unused, _ = torch.ops.aten._flash_attention_forward(
            q, k, v, cu_seqlens, cu_seqlens, max_seqlen, max_seqlen, 0.0, True, False, **ctx.options
        )
        ctx.save_for_backward(q, k, v, out, lse, cu_seqlens, state, unused)
        ctx.max_seqlen = max_seqlen
        return out

    @staticmethod
    def backward(ctx: Any, d_out: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        q, k, v, out, lse, cu_seqlens, state, unused = ctx.saved_tensors
        n = ctx.max_seqlen
        grads = torch.ops.aten._flash_attention_backward(
            d_out, q, k, v, out, lse, cu_seqlens, cu_seqlens, n, n, 0.0, True, state, unused,
            **ctx.options,
        )  # fmt: skip
        return (*grads, None, None, None, None)
