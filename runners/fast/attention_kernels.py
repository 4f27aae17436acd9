"""Triton kernels of causal attention inside packed segments, and over a cache.

``attention_triton`` launches them.

FlashAttention (arXiv 2205.14135, 2307.08691), tuned for segments of a few hundred tokens with
grouped query heads: small blocks, one pass for the gradients of the queries and one for those of
the keys, and no atomic adds, so the same batch gives the same bits.

Query head h reads key head h // SHARED. q and everything shaped like it is [t, heads, WIDTH]; k and
v are [t, heads / SHARED, WIDTH]; numbers per query (lse, deltas) are [heads, t]. ``scale`` is the
softmax scale times log2(e): exponentials are powers of two. With PICKS out and d_out hold the
rows of some queries alone: ``places`` [t] says where each stands in them, -1 for the others.
"""

# ruff: noqa: N803  (compile-time constants are written in capitals)
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _segment(cu_seqlens):
    """Return the start of this program's segment and its length."""
    start = tl.load(cu_seqlens + tl.program_id(2))
    return start.to(tl.int64), tl.load(cu_seqlens + tl.program_id(2) + 1) - start


@triton.jit
def _load_rows(base, rows, length, stride, WIDTH: tl.constexpr):
    """Load [rows, WIDTH] of one head of one segment; zeros past its end."""
    at = rows[:, None] * stride + tl.arange(0, WIDTH)[None, :]
    return tl.load(base + at, mask=rows[:, None] < length, other=0.0)


@triton.jit
def _store_rows(base, rows, length, stride, value, WIDTH: tl.constexpr):
    at = rows[:, None] * stride + tl.arange(0, WIDTH)[None, :]
    tl.store(base + at, value.to(base.dtype.element_ty), mask=rows[:, None] < length)


@triton.jit
def _result_rows(places, start, rows, length, stride, WIDTH: tl.constexpr, PICKS: tl.constexpr):
    """Return where [rows, WIDTH] of a segment's results stand, and which of the rows do."""
    at = start + rows
    found = rows < length
    if PICKS:
        at = tl.load(places + at, mask=found, other=-1).to(tl.int64)
        found = at >= 0
    return at[:, None] * stride + tl.arange(0, WIDTH)[None, :], found[:, None]


@triton.jit
def _attend_blocks(
    acc, row_sum, row_max, queries, k, v, rows, first, last, length, stride, scale,
    MASKED: tl.constexpr, WIDTH: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    """Add the key blocks from ``first`` to ``last``; MASKED where some keys may follow a query."""
    for key in range(first, last, KEYS):
        columns = key + tl.arange(0, KEYS)
        keys = _load_rows(k, columns, length, stride, WIDTH)
        scores = tl.dot(queries, tl.trans(keys)) * scale
        if MASKED:
            scores = tl.where(columns[None, :] <= rows[:, None], scores, float("-inf"))
        new_max = tl.maximum(row_max, tl.max(scores, 1))
        probs = tl.exp2(scores - new_max[:, None])
        decay = tl.exp2(row_max - new_max)
        row_sum = row_sum * decay + tl.sum(probs, 1)
        values = _load_rows(v, columns, length, stride, WIDTH)
        acc = tl.dot(probs.to(values.dtype), values, acc * decay[:, None])
        row_max = new_max
    return acc, row_sum, row_max


@triton.jit
def attend(
    q, k, v, out, lse, cu_seqlens, places, tokens, heads, scale, PICKS: tl.constexpr,
    SHARED: tl.constexpr, WIDTH: tl.constexpr, QUERIES: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    """Write ``out`` and ``lse``, each query's log2-sum-exp2; the longest blocks start first."""
    start, length = _segment(cu_seqlens)
    head = tl.program_id(1)
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * QUERIES
    if first >= length:
        return
    rows = first + tl.arange(0, QUERIES)
    stride, kv_stride = heads * WIDTH, heads // SHARED * WIDTH
    at_q, at_k = start * stride + head * WIDTH, start * kv_stride + head // SHARED * WIDTH
    queries = _load_rows(q + at_q, rows, length, stride, WIDTH)
    acc = tl.zeros((QUERIES, WIDTH), tl.float32)
    row_sum = tl.zeros((QUERIES,), tl.float32)
    row_max = tl.full((QUERIES,), float("-inf"), tl.float32)
    acc, row_sum, row_max = _attend_blocks(
        acc, row_sum, row_max, queries, k + at_k, v + at_k, rows, 0, first, length, kv_stride,
        scale, False, WIDTH, KEYS,
    )  # fmt: skip
    last = tl.minimum(first + QUERIES, length)
    acc, row_sum, row_max = _attend_blocks(
        acc, row_sum, row_max, queries, k + at_k, v + at_k, rows, first, last, length, kv_stride,
        scale, True, WIDTH, KEYS,
    )  # fmt: skip
    value = (acc / row_sum[:, None]).to(out.dtype.element_ty)
    at_out, picked = _result_rows(places, start, rows, length, stride, WIDTH, PICKS)
    tl.store(out + head * WIDTH + at_out, value, mask=picked)
    tl.store(lse + head * tokens + start + rows, row_max + tl.log2(row_sum), mask=rows < length)


@triton.jit
def _add_key_blocks(
    d_queries, queries, d_out_rows, lse_rows, delta_rows, k, v, rows, first, last, length, stride,
    scale, MASKED: tl.constexpr, WIDTH: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    for key in range(first, last, KEYS):
        columns = key + tl.arange(0, KEYS)
        keys = _load_rows(k, columns, length, stride, WIDTH)
        values = _load_rows(v, columns, length, stride, WIDTH)
        probs = tl.exp2(tl.dot(queries, tl.trans(keys)) * scale - lse_rows[:, None])
        if MASKED:
            probs = tl.where(columns[None, :] <= rows[:, None], probs, 0.0)
        d_probs = tl.dot(d_out_rows, tl.trans(values))
        d_scores = probs * (d_probs - delta_rows[:, None])
        d_queries = tl.dot(d_scores.to(keys.dtype), keys, d_queries)
    return d_queries


@triton.jit
def backward_queries(
    q, k, v, out, d_out, lse, deltas, d_q, cu_seqlens, places, tokens, heads, scale, factor,
    PICKS: tl.constexpr, SHARED: tl.constexpr, WIDTH: tl.constexpr, QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
):  # fmt: skip
    """Write ``d_q`` and ``deltas``, the sum of out * d_out per query, for ``backward_keys``.

    ``factor`` is the softmax scale without log2(e).
    """
    start, length = _segment(cu_seqlens)
    head = tl.program_id(1)
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * QUERIES
    if first >= length:
        return
    rows = first + tl.arange(0, QUERIES)
    stride, kv_stride = heads * WIDTH, heads // SHARED * WIDTH
    at_q, at_k = start * stride + head * WIDTH, start * kv_stride + head // SHARED * WIDTH
    at_out, picked = _result_rows(places, start, rows, length, stride, WIDTH, PICKS)
    d_out_rows = tl.load(d_out + head * WIDTH + at_out, mask=picked, other=0.0)
    out_rows = tl.load(out + head * WIDTH + at_out, mask=picked, other=0.0)
    delta_rows = tl.sum(d_out_rows.to(tl.float32) * out_rows.to(tl.float32), 1)
    at = head * tokens + start + rows
    tl.store(deltas + at, delta_rows, mask=rows < length)
    lse_rows = tl.load(lse + at, mask=rows < length, other=0.0)
    queries = _load_rows(q + at_q, rows, length, stride, WIDTH)
    d_queries = tl.zeros((QUERIES, WIDTH), tl.float32)
    d_queries = _add_key_blocks(
        d_queries, queries, d_out_rows, lse_rows, delta_rows, k + at_k, v + at_k, rows, 0, first,
        length, kv_stride, scale, False, WIDTH, KEYS,
    )  # fmt: skip
    last = tl.minimum(first + QUERIES, length)
    d_queries = _add_key_blocks(
        d_queries, queries, d_out_rows, lse_rows, delta_rows, k + at_k, v + at_k, rows, first, last,
        length, kv_stride, scale, True, WIDTH, KEYS,
    )  # fmt: skip
    _store_rows(d_q + at_q, rows, length, stride, d_queries * factor, WIDTH)


@triton.jit
def _add_query_blocks(
    d_keys, d_values, keys, values, q, d_out, lse, deltas, places, start, columns, first, last,
    length, stride, scale, MASKED: tl.constexpr, PICKS: tl.constexpr, WIDTH: tl.constexpr,
    QUERIES: tl.constexpr,
):  # fmt: skip
    for query in range(first, last, QUERIES):
        rows = query + tl.arange(0, QUERIES)
        queries = _load_rows(q, rows, length, stride, WIDTH)
        lse_rows = tl.load(lse + rows, mask=rows < length, other=0.0)
        probs = tl.exp2(tl.dot(keys, tl.trans(queries)) * scale - lse_rows[None, :])
        if MASKED:
            probs = tl.where(columns[:, None] <= rows[None, :], probs, 0.0)
        at_out, picked = _result_rows(places, start, rows, length, stride, WIDTH, PICKS)
        d_out_rows = tl.load(d_out + at_out, mask=picked, other=0.0)
        d_values = tl.dot(probs.to(d_out_rows.dtype), d_out_rows, d_values)
        delta_rows = tl.load(deltas + rows, mask=rows < length, other=0.0)
        d_probs = tl.dot(values, tl.trans(d_out_rows))
        d_scores = probs * (d_probs - delta_rows[None, :])
        d_keys = tl.dot(d_scores.to(queries.dtype), queries, d_keys)
    return d_keys, d_values


@triton.jit
def backward_keys(
    q, k, v, d_out, lse, deltas, d_k, d_v, cu_seqlens, places, tokens, heads, scale, factor,
    PICKS: tl.constexpr, SHARED: tl.constexpr, WIDTH: tl.constexpr, QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
):  # fmt: skip
    """Write each query head's share of the gradients of its keys: d_k and d_v are shaped like q."""
    start, length = _segment(cu_seqlens)
    head = tl.program_id(1)
    first = tl.program_id(0) * KEYS
    if first >= length:
        return
    columns = first + tl.arange(0, KEYS)
    stride, kv_stride = heads * WIDTH, heads // SHARED * WIDTH
    at_q, at_k = start * stride + head * WIDTH, start * kv_stride + head // SHARED * WIDTH
    at = head * tokens + start
    keys = _load_rows(k + at_k, columns, length, kv_stride, WIDTH)
    values = _load_rows(v + at_k, columns, length, kv_stride, WIDTH)
    d_keys = tl.zeros((KEYS, WIDTH), tl.float32)
    d_values = tl.zeros((KEYS, WIDTH), tl.float32)
    diagonal_end = tl.minimum(first + KEYS, length)
    d_keys, d_values = _add_query_blocks(
        d_keys, d_values, keys, values, q + at_q, d_out + head * WIDTH, lse + at, deltas + at,
        places, start, columns, first, diagonal_end, length, stride, scale, True, PICKS, WIDTH,
        QUERIES,
    )  # fmt: skip
    d_keys, d_values = _add_query_blocks(
        d_keys, d_values, keys, values, q + at_q, d_out + head * WIDTH, lse + at, deltas + at,
        places, start, columns, first + KEYS, length, length, stride, scale, False, PICKS, WIDTH,
        QUERIES,
    )  # fmt: skip
    _store_rows(d_k + at_q, columns, length, stride, d_keys * factor, WIDTH)
    _store_rows(d_v + at_q, columns, length, stride, d_values, WIDTH)


@triton.jit
def sum_shared(parts, out, SHARED: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    """Sum the parts of the query heads that share a key: [n, SHARED, WIDTH] to [n, WIDTH]."""
    row = tl.program_id(0).to(tl.int64)
    part = tl.arange(0, BLOCK)[:, None]
    column = tl.arange(0, WIDTH)[None, :]
    at = (row * SHARED + part) * WIDTH + column
    value = tl.load(parts + at, mask=part < SHARED, other=0.0).to(tl.float32)
    total = tl.sum(value, 0)
    tl.store(out + row * WIDTH + tl.arange(0, WIDTH), total.to(out.dtype.element_ty))


@triton.jit
def attend_cached(
    q, k, v, keys, values, out, used, slots, window, scale,
    SHARED: tl.constexpr, GROUP: tl.constexpr, WIDTH: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    """Attend from one new token of each row: q and out [rows, heads, WIDTH].

    One program serves the SHARED query heads of a key head (padded to GROUP), so each key is read
    once. k and v [rows, kv heads, WIDTH] are the new token's: they are put into the last of its
    ``used`` slots, and their share of the softmax comes first, from registers.
    """
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    kv_heads = tl.num_programs(1)
    new = tl.load(used + row) - 1
    column, member = tl.arange(0, WIDTH), tl.arange(0, GROUP)
    at_q = ((row * kv_heads + head) * SHARED + member)[:, None] * WIDTH + column[None, :]
    queries = tl.load(q + at_q, mask=member[:, None] < SHARED, other=0.0)
    at_k = (row * kv_heads + head) * WIDTH + column
    new_key, new_value = tl.load(k + at_k), tl.load(v + at_k)
    stride = kv_heads * WIDTH
    at_cache = row * slots * stride + head * WIDTH
    tl.store(keys + at_cache + new * stride + column, new_key)
    tl.store(values + at_cache + new * stride + column, new_value)

    row_max = tl.sum(queries.to(tl.float32) * new_key.to(tl.float32)[None, :], 1) * scale
    row_sum = tl.full((GROUP,), 1.0, tl.float32)
    acc = tl.zeros((GROUP, WIDTH), tl.float32) + new_value.to(tl.float32)[None, :]
    for first in range(tl.maximum(0, new + 1 - window), new, KEYS):
        slot = first + tl.arange(0, KEYS)
        scores = tl.dot(queries, tl.trans(_load_rows(keys + at_cache, slot, new, stride, WIDTH)))
        scores = tl.where(slot[None, :] < new, scores * scale, float("-inf"))
        new_max = tl.maximum(row_max, tl.max(scores, 1))
        probs = tl.exp2(scores - new_max[:, None])
        decay = tl.exp2(row_max - new_max)
        row_sum = row_sum * decay + tl.sum(probs, 1)
        seen = _load_rows(values + at_cache, slot, new, stride, WIDTH)
        acc = tl.dot(probs.to(seen.dtype), seen, acc * decay[:, None])
        row_max = new_max
    value = (acc / row_sum[:, None]).to(out.dtype.element_ty)
    tl.store(out + at_q, value, mask=member[:, None] < SHARED)
