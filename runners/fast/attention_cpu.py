"""Causal attention inside packed segments on a CPU: all segments of a batch in one product each.

One call a segment costs more in starting than in arithmetic when segments are short. Here segments
are filled up to the longest, and the heads that share a key stand below one another.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

_MOST_SCORES = 1 << 24
"""Scores of one layer that are held at once."""
_MOST_FILLING = 1.6
"""Filled up, a batch may be so many times longer."""


def takes(q: torch.Tensor, lengths: tuple[int, ...], where: torch.Tensor | None) -> bool:
    """True where this is exact and worth it: full precision, short segments of like length.

    Tokens asked for must ascend: an evened batch repeats one to fill up.
    """
    rows = [length for length in lengths if length]
    longest = max(rows, default=0)
    return (
        q.device.type == "cpu"
        and q.dtype in (torch.float32, torch.float64)
        and len(rows) > 1
        and len(rows) * longest <= _MOST_FILLING * sum(rows)
        and len(rows) * q.shape[1] * longest**2 <= _MOST_SCORES
        and (where is None or bool((where.diff() > 0).all()))
    )


def within_segments(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    lengths: tuple[int, ...],
    where: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attend causally inside each segment: q [t, heads, d], k and v [t, kv heads, d].

    Returns [t, heads, d], or [n, heads, d] for the n tokens in ``where`` only.
    """
    asked = None if where is None else tuple(where.tolist())
    places = _places(lengths, q.shape[1], k.shape[1], asked)
    out: torch.Tensor = _Together.apply(q, k, v, where, places)
    return out


@dataclass(frozen=True, slots=True)
class _Places:
    """Where tokens lie in products of b segments with g key heads, r heads to a key.

    Each segment is filled up to n keys and m queries.
    """

    groups: int
    """b * g."""
    q: torch.Tensor
    """[b g r m]: for each filled-up place its row among [t * heads]; filling repeats row 0."""
    kv: torch.Tensor
    """[b g n]: the same among [t * kv heads]."""
    from_q: torch.Tensor
    """[queries * heads]: the way back."""
    from_kv: torch.Tensor
    """[t * kv heads]."""
    ahead: torch.Tensor
    """[b g, r m, n]: -inf where a query would look ahead; [r m, n] when all segments agree."""


@functools.lru_cache(maxsize=64)
def _places(
    lengths: tuple[int, ...], heads: int, kv_heads: int, where: tuple[int, ...] | None
) -> _Places:
    keys = _grid([range(length) for length in lengths if length])
    queries = keys if where is None else _grid(_by_segment(where, lengths))
    starts = torch.tensor([0, *lengths]).cumsum(0)[:-1][torch.tensor(lengths) > 0]
    b, n = keys.shape
    r = heads // kv_heads
    at_key, at_query = (part.clamp(min=0) + starts[:, None] for part in (keys, queries))
    head, key_head = torch.arange(heads)[:, None], torch.arange(kv_heads)[:, None]
    is_query = (queries >= 0)[:, None].expand(b, heads, -1)
    is_key = (keys >= 0)[:, None].expand(b, kv_heads, n)
    late = torch.arange(n) > queries.clamp(min=0)[..., None]
    if where is None:
        late = (torch.arange(n) > torch.arange(n)[:, None]).repeat(r, 1)
    else:
        late = late[:, None].expand(b, heads, -1, n).reshape(b * kv_heads, -1, n)
    return _Places(
        groups=b * kv_heads,
        q=(at_query[:, None] * heads + head).flatten(),
        kv=(at_key[:, None] * kv_heads + key_head).flatten(),
        from_q=_way_back(is_query),
        from_kv=_way_back(is_key),
        ahead=torch.zeros(late.shape).masked_fill_(late, -torch.inf),
    )


def _grid(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return positions within segments, [b, longest], filled up with -1."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[-1] * (longest - len(row))] for row in rows])


def _by_segment(where: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Sort ascending tokens by the segment they lie in, as positions within it."""
    found, start = [], 0
    for length in lengths:
        if length:
            found.append([at - start for at in where if start <= at < start + length])
        start += length
    return found


def _way_back(is_real: torch.Tensor) -> torch.Tensor:
    """Return the places of [b, heads, m] that are real, in the order of (token, head)."""
    places = torch.arange(is_real.numel()).view(is_real.shape).transpose(1, 2)
    return places[is_real.transpose(1, 2)]


class _Together(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        where: torch.Tensor | None,
        places: _Places,
    ) -> torch.Tensor:
        wide_q, wide_k, wide_v = (
            _moved(part, rows).view(places.groups, -1, q.shape[-1])
            for part, rows in ((q, places.q), (k, places.kv), (v, places.kv))
        )
        scale = q.shape[-1] ** -0.5
        ahead = places.ahead.to(q.dtype)
        scores = torch.baddbmm(ahead, wide_q, wide_k.transpose(1, 2), alpha=scale)
        shares = torch.softmax(scores, dim=-1)
        ctx.save_for_backward(wide_q, wide_k, wide_v, shares, where)
        ctx.places, ctx.scale, ctx.tokens = places, scale, len(q)
        return _moved(torch.bmm(shares, wide_v), places.from_q).view(-1, *q.shape[1:])

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        wide_q, wide_k, wide_v, shares, where = ctx.saved_tensors
        places: _Places = ctx.places
        wide = _laid(grad, places, wide_q)
        of_v = torch.bmm(shares.transpose(1, 2), wide)
        of_shares = torch.bmm(wide, wide_v.transpose(1, 2))
        of_scores = torch._softmax_backward_data(of_shares, shares, -1, shares.dtype)
        of_scores.mul_(ctx.scale)
        of_q = _moved(torch.bmm(of_scores, wide_k), places.from_q).view_as(grad)
        if where is not None:
            of_q = grad.new_zeros(ctx.tokens, *grad.shape[1:]).index_add_(0, where, of_q)
        of_k = torch.bmm(of_scores.transpose(1, 2), wide_q)
        by_key = (ctx.tokens, -1, grad.shape[-1])
        return (
            of_q,
            _moved(of_k, places.from_kv).view(by_key),
            _moved(of_v, places.from_kv).view(by_key),
            None,
            None,
        )


def _laid(grad: torch.Tensor, places: _Places, like: torch.Tensor) -> torch.Tensor:
    """Put a gradient where its queries are; filling gets none."""
    rows = like.new_zeros(like.numel() // like.shape[-1], like.shape[-1])
    return rows.index_copy_(0, places.from_q, grad.reshape(-1, grad.shape[-1])).view_as(like)


def _moved(x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Pick rows of the last dimension."""
    return x.reshape(-1, x.shape[-1]).index_select(0, rows)
