"""Causal attention inside packed segments on a CPU: one matrix product for a batch of segments.

With short segments, one call per segment spends more on starting than on arithmetic. Here segments
are padded to the longest, and the query heads that share a key are stacked as query positions.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

_MAX_SCORES = 1 << 24
"""Scores of one layer that are held at once."""
_MAX_PADDING = 1.6
"""Padding may make a batch this many times longer."""


def suits(q: torch.Tensor, lengths: tuple[int, ...], where: torch.Tensor | None) -> bool:
    """True where this is exact and worth it: full precision, short segments of similar length.

    The tokens in ``where`` must ascend: a batch with rounded shapes repeats one as padding.
    """
    rows = [length for length in lengths if length]
    longest = max(rows, default=0)
    return (
        q.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")  # it would narrow only the forward pass
        and q.dtype in (torch.float32, torch.float64)
        and len(rows) > 1
        and len(rows) * longest <= _MAX_PADDING * sum(rows)
        and len(rows) * q.shape[1] * longest**2 <= _MAX_SCORES
        and (where is None or bool((where.diff() > 0).all()))
    )


def packed_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    lengths: tuple[int, ...],
    scale: float,
    where: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attend causally inside each segment: q [t, heads, d], k and v [t, kv heads, d].

    Returns [t, heads, d], or [n, heads, d] for the n tokens in ``where`` only.
    """
    wanted = None if where is None else tuple(where.tolist())
    layout = _layout(lengths, q.shape[1], k.shape[1], wanted)
    out: torch.Tensor = _PaddedAttention.apply(q, k, v, where, layout, scale)
    return out


@dataclass(frozen=True, slots=True)
class _Layout:
    """Row numbers that pad b segments with g key heads, r query heads to a key head, and back.

    Each segment is padded to n keys and m queries.
    """

    groups: int
    """b * g."""
    pad_q: torch.Tensor
    """[b g r m]: the row of each padded query among [t * heads]; padding repeats row 0."""
    pad_kv: torch.Tensor
    """[b g n]: the same among [t * kv heads]."""
    unpad_q: torch.Tensor
    """[queries * heads]: the way back, of the queries that are wanted."""
    unpad_kv: torch.Tensor
    """[t * kv heads]: the way back."""
    mask: torch.Tensor
    """[b g, r m, n]: -inf where a key follows the query; [r m, n] when all segments agree."""


@functools.lru_cache(maxsize=64)
def _layout(
    lengths: tuple[int, ...], heads: int, kv_heads: int, where: tuple[int, ...] | None
) -> _Layout:
    keys = _padded([range(length) for length in lengths if length])
    queries = keys if where is None else _padded(_by_segment(where, lengths))
    starts = torch.tensor([0, *lengths]).cumsum(0)[:-1][torch.tensor(lengths) > 0]
    b, n = keys.shape
    r = heads // kv_heads
    key_at, query_at = (part.clamp(min=0) + starts[:, None] for part in (keys, queries))
    head, key_head = torch.arange(heads)[:, None], torch.arange(kv_heads)[:, None]
    is_query = (queries >= 0)[:, None].expand(b, heads, -1)
    is_key = (keys >= 0)[:, None].expand(b, kv_heads, n)
    if where is None:
        follows = (torch.arange(n) > torch.arange(n)[:, None]).repeat(r, 1)
    else:
        follows = torch.arange(n) > queries.clamp(min=0)[..., None]
        follows = follows[:, None].expand(b, heads, -1, n).reshape(b * kv_heads, -1, n)
    return _Layout(
        groups=b * kv_heads,
        pad_q=(query_at[:, None] * heads + head).flatten(),
        pad_kv=(key_at[:, None] * kv_heads + key_head).flatten(),
        unpad_q=_unpadding(is_query),
        unpad_kv=_unpadding(is_key),
        mask=torch.zeros(follows.shape).masked_fill_(follows, -torch.inf),
    )


def _padded(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return positions within segments, [b, longest], padded with -1."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[-1] * (longest - len(row))] for row in rows])


def _by_segment(where: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Sort ascending tokens by segment, as positions within it."""
    found, start = [], 0
    for length in lengths:
        if length:
            found.append([at - start for at in where if start <= at < start + length])
        start += length
    return found


def _unpadding(is_real: torch.Tensor) -> torch.Tensor:
    """Return the rows of [b, heads, m] that are no padding, in the order of (token, head)."""
    rows = torch.arange(is_real.numel()).view(is_real.shape).transpose(1, 2)
    return rows[is_real.transpose(1, 2)]


class _PaddedAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        where: torch.Tensor | None,
        layout: _Layout,
        scale: float,
    ) -> torch.Tensor:
        queries, keys, values = (
            _select(part, rows).view(layout.groups, -1, q.shape[-1])
            for part, rows in ((q, layout.pad_q), (k, layout.pad_kv), (v, layout.pad_kv))
        )
        mask = layout.mask.to(q.dtype)
        scores = torch.baddbmm(mask, queries, keys.transpose(1, 2), alpha=scale)
        probs = torch.softmax(scores, dim=-1)
        ctx.save_for_backward(queries, keys, values, probs, where)
        ctx.layout, ctx.scale, ctx.tokens = layout, scale, len(q)
        return _select(torch.bmm(probs, values), layout.unpad_q).view(-1, *q.shape[1:])

    @staticmethod
    def backward(ctx: Any, d_out: torch.Tensor) -> Any:
        queries, keys, values, probs, where = ctx.saved_tensors
        layout: _Layout = ctx.layout
        d_padded = _pad_gradient(d_out, layout, queries)
        d_v = torch.bmm(probs.transpose(1, 2), d_padded)
        d_probs = torch.bmm(d_padded, values.transpose(1, 2))
        d_scores = torch._softmax_backward_data(d_probs, probs, -1, probs.dtype)
        d_scores.mul_(ctx.scale)
        d_q = _select(torch.bmm(d_scores, keys), layout.unpad_q).view_as(d_out)
        if where is not None:
            d_q = d_out.new_zeros(ctx.tokens, *d_out.shape[1:]).index_add_(0, where, d_q)
        d_k = torch.bmm(d_scores.transpose(1, 2), queries)
        like_k = (ctx.tokens, -1, d_out.shape[-1])
        return (
            d_q,
            _select(d_k, layout.unpad_kv).view(like_k),
            _select(d_v, layout.unpad_kv).view(like_k),
            None,
            None,
            None,
        )


def _pad_gradient(d_out: torch.Tensor, layout: _Layout, queries: torch.Tensor) -> torch.Tensor:
    """Shape a gradient like the padded ``queries``; padding gets zero."""
    rows = queries.new_zeros(queries.numel() // queries.shape[-1], queries.shape[-1])
    wanted = d_out.reshape(-1, d_out.shape[-1])
    return rows.index_copy_(0, layout.unpad_q, wanted).view_as(queries)


def _select(x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Select rows of the last dimension."""
    return x.reshape(-1, x.shape[-1]).index_select(0, rows)
