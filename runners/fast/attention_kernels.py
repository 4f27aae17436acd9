"""Triton kernels of causal attention inside packed segments; ``attention_device`` starts them.

FlashAttention (arXiv 2205.14135, 2307.08691), cut for segments of a few hundred tokens whose query
heads share keys: small blocks, one pass for the queries' gradients and one for the keys', and no
atomic additions, so that the same batch gives the same bits.

Throughout, query heads h share key heads h // SHARED, q and all that is laid out like it are
[t, heads, WIDTH], k and v are [t, heads / SHARED, WIDTH], and per-query numbers are [heads, t].
``scale`` is that of the scores, times log2(e): exponentials are powers of two.
"""

# ruff: noqa: N803  (compile-time constants are written in capitals)
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _bounds(bounds):
    """Return where this program's segment starts, and its length."""
    start = tl.load(bounds + tl.program_id(2))
    return start.to(tl.int64), tl.load(bounds + tl.program_id(2) + 1) - start


@triton.jit
def _rows(base, rows, length, stride, WIDTH: tl.constexpr):
    """Load [rows, WIDTH] of one head of one segment; past its end come zeros."""
    at = rows[:, None] * stride + tl.arange(0, WIDTH)[None, :]
    return tl.load(base + at, mask=rows[:, None] < length, other=0.0)


@triton.jit
def _put(base, rows, length, stride, value, WIDTH: tl.constexpr):
    at = rows[:, None] * stride + tl.arange(0, WIDTH)[None, :]
    tl.store(base + at, value.to(base.dtype.element_ty), mask=rows[:, None] < length)


@triton.jit
def _attend(
    found, total, top, queries, k, v, rows, first, last, length, stride, scale,
    AHEAD: tl.constexpr, WIDTH: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    """Take up the keys from ``first`` to ``last``; AHEAD where some may lie ahead of a query."""
    for key in range(first, last, KEYS):
        columns = key + tl.arange(0, KEYS)
        keys = _rows(k, columns, length, stride, WIDTH)
        scores = tl.dot(queries, tl.trans(keys)) * scale
        if AHEAD:
            scores = tl.where(columns[None, :] <= rows[:, None], scores, float("-inf"))
        higher = tl.maximum(top, tl.max(scores, 1))
        shares = tl.exp2(scores - higher[:, None])
        kept = tl.exp2(top - higher)
        total = total * kept + tl.sum(shares, 1)
        values = _rows(v, columns, length, stride, WIDTH)
        found = tl.dot(shares.to(values.dtype), values, found * kept[:, None])
        top = higher
    return found, total, top


@triton.jit
def attend(
    q, k, v, out, sums, bounds, tokens, heads, scale,
    SHARED: tl.constexpr, WIDTH: tl.constexpr, QUERIES: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    """``out``, and in ``sums`` the log2 of each query's sum; the longest blocks start first."""
    start, length = _bounds(bounds)
    head = tl.program_id(1)
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * QUERIES
    if first >= length:
        return
    rows = first + tl.arange(0, QUERIES)
    stride, kv_stride = heads * WIDTH, heads // SHARED * WIDTH
    at_q, at_k = start * stride + head * WIDTH, start * kv_stride + head // SHARED * WIDTH
    queries = _rows(q + at_q, rows, length, stride, WIDTH)
    found = tl.zeros((QUERIES, WIDTH), tl.float32)
    total = tl.zeros((QUERIES,), tl.float32)
    top = tl.full((QUERIES,), float("-inf"), tl.float32)
    found, total, top = _attend(
        found, total, top, queries, k + at_k, v + at_k, rows, 0, first, length, kv_stride, scale,
        False, WIDTH, KEYS,
    )  # fmt: skip
    last = tl.minimum(first + QUERIES, length)
    found, total, top = _attend(
        found, total, top, queries, k + at_k, v + at_k, rows, first, last, length, kv_stride,
        scale, True, WIDTH, KEYS,
    )  # fmt: skip
    _put(out + at_q, rows, length, stride, found / total[:, None], WIDTH)
    tl.store(sums + head * tokens + start + rows, top + tl.log2(total), mask=rows < length)


@triton.jit
def _back_to_queries(
    found, queries, given, total, delta, k, v, rows, first, last, length, stride, scale,
    AHEAD: tl.constexpr, WIDTH: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    for key in range(first, last, KEYS):
        columns = key + tl.arange(0, KEYS)
        keys = _rows(k, columns, length, stride, WIDTH)
        values = _rows(v, columns, length, stride, WIDTH)
        shares = tl.exp2(tl.dot(queries, tl.trans(keys)) * scale - total[:, None])
        if AHEAD:
            shares = tl.where(columns[None, :] <= rows[:, None], shares, 0.0)
        of_shares = tl.dot(given, tl.trans(values))
        of_scores = shares * (of_shares - delta[:, None])
        found = tl.dot(of_scores.to(keys.dtype), keys, found)
    return found


@triton.jit
def back_to_queries(
    q, k, v, out, grad, sums, deltas, of_q, bounds, tokens, heads, scale, factor,
    SHARED: tl.constexpr, WIDTH: tl.constexpr, QUERIES: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    """``of_q``, and in ``deltas`` each query's out * grad, which ``back_to_keys`` needs.

    ``factor`` is the scale of the scores itself.
    """
    start, length = _bounds(bounds)
    head = tl.program_id(1)
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * QUERIES
    if first >= length:
        return
    rows = first + tl.arange(0, QUERIES)
    stride, kv_stride = heads * WIDTH, heads // SHARED * WIDTH
    at_q, at_k = start * stride + head * WIDTH, start * kv_stride + head // SHARED * WIDTH
    given = _rows(grad + at_q, rows, length, stride, WIDTH)
    made = _rows(out + at_q, rows, length, stride, WIDTH)
    delta = tl.sum(given.to(tl.float32) * made.to(tl.float32), 1)
    at = head * tokens + start + rows
    tl.store(deltas + at, delta, mask=rows < length)
    total = tl.load(sums + at, mask=rows < length, other=0.0)
    queries = _rows(q + at_q, rows, length, stride, WIDTH)
    found = tl.zeros((QUERIES, WIDTH), tl.float32)
    found = _back_to_queries(
        found, queries, given, total, delta, k + at_k, v + at_k, rows, 0, first, length,
        kv_stride, scale, False, WIDTH, KEYS,
    )  # fmt: skip
    last = tl.minimum(first + QUERIES, length)
    found = _back_to_queries(
        found, queries, given, total, delta, k + at_k, v + at_k, rows, first, last, length,
        kv_stride, scale, True, WIDTH, KEYS,
    )  # fmt: skip
    _put(of_q + at_q, rows, length, stride, found * factor, WIDTH)


@triton.jit
def _back_to_keys(
    of_k, of_v, keys, values, q, grad, sums, deltas, columns, first, last, length, stride, scale,
    AHEAD: tl.constexpr, WIDTH: tl.constexpr, QUERIES: tl.constexpr,
):  # fmt: skip
    for query in range(first, last, QUERIES):
        rows = query + tl.arange(0, QUERIES)
        queries = _rows(q, rows, length, stride, WIDTH)
        total = tl.load(sums + rows, mask=rows < length, other=0.0)
        shares = tl.exp2(tl.dot(keys, tl.trans(queries)) * scale - total[None, :])
        if AHEAD:
            shares = tl.where(columns[:, None] <= rows[None, :], shares, 0.0)
        given = _rows(grad, rows, length, stride, WIDTH)
        of_v = tl.dot(shares.to(given.dtype), given, of_v)
        delta = tl.load(deltas + rows, mask=rows < length, other=0.0)
        of_shares = tl.dot(values, tl.trans(given))
        of_scores = shares * (of_shares - delta[None, :])
        of_k = tl.dot(of_scores.to(queries.dtype), queries, of_k)
    return of_k, of_v


@triton.jit
def back_to_keys(
    q, k, v, grad, sums, deltas, of_k, of_v, bounds, tokens, heads, scale, factor,
    SHARED: tl.constexpr, WIDTH: tl.constexpr, QUERIES: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    """What each query head adds to the gradients of its keys: of_k and of_v are laid out like q."""
    start, length = _bounds(bounds)
    head = tl.program_id(1)
    first = tl.program_id(0) * KEYS
    if first >= length:
        return
    columns = first + tl.arange(0, KEYS)
    stride, kv_stride = heads * WIDTH, heads // SHARED * WIDTH
    at_q, at_k = start * stride + head * WIDTH, start * kv_stride + head // SHARED * WIDTH
    at = head * tokens + start
    keys = _rows(k + at_k, columns, length, kv_stride, WIDTH)
    values = _rows(v + at_k, columns, length, kv_stride, WIDTH)
    found_k = tl.zeros((KEYS, WIDTH), tl.float32)
    found_v = tl.zeros((KEYS, WIDTH), tl.float32)
    past = tl.minimum(first + KEYS, length)
    found_k, found_v = _back_to_keys(
        found_k, found_v, keys, values, q + at_q, grad + at_q, sums + at, deltas + at, columns,
        first, past, length, stride, scale, True, WIDTH, QUERIES,
    )  # fmt: skip
    found_k, found_v = _back_to_keys(
        found_k, found_v, keys, values, q + at_q, grad + at_q, sums + at, deltas + at, columns,
        first + KEYS, length, length, stride, scale, False, WIDTH, QUERIES,
    )  # fmt: skip
    _put(of_k + at_q, columns, length, stride, found_k * factor, WIDTH)
    _put(of_v + at_q, columns, length, stride, found_v, WIDTH)


@triton.jit
def sum_shared(parts, out, SHARED: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    """Sum the parts of the query heads that share a key: [n, SHARED, WIDTH] to [n, WIDTH]."""
    row = tl.program_id(0).to(tl.int64)
    part = tl.arange(0, BLOCK)[:, None]
    place = tl.arange(0, WIDTH)[None, :]
    at = (row * SHARED + part) * WIDTH + place
    value = tl.load(parts + at, mask=part < SHARED, other=0.0).to(tl.float32)
    total = tl.sum(value, 0)
    tl.store(out + row * WIDTH + tl.arange(0, WIDTH), total.to(out.dtype.element_ty))
