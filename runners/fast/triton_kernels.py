"""Triton kernels of the steps between the matrix products; ``triton_ops`` launches them.

Rows may be strided, columns may not. Arithmetic is in float32.
"""

# ruff: noqa: N803  (compile-time constants are in capitals)
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def add_norm(
    x, update, weight, total, normed, inv_rms, update_stride, normed_stride, n, eps,
    ADDS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Normalise ``update``; with ADDS x is added to it before, and the sum kept in ``total``."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < n
    value = tl.load(update + row * update_stride + column, mask=inside, other=0.0).to(tl.float32)
    if ADDS:
        value += tl.load(x + row * n + column, mask=inside, other=0.0).to(tl.float32)
        rounded = value.to(total.dtype.element_ty)
        tl.store(total + row * n + column, rounded, mask=inside)
        value = rounded.to(tl.float32)
    factor = tl.rsqrt(tl.sum(value * value, axis=0) / n + eps)
    tl.store(inv_rms + row, factor)
    scaled = (value * factor).to(normed.dtype.element_ty).to(tl.float32)
    weights = tl.load(weight + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(normed + row * normed_stride + column, scaled * weights, mask=inside)


@triton.jit
def add_norm_backward(
    total, weight, inv_rms, d_total, d_normed, out, total_stride, d_total_stride, d_normed_stride,
    out_stride, n, HAS_TOTAL: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < n
    factor = tl.load(inv_rms + row)
    x_hat = tl.load(total + row * total_stride + column, mask=inside, other=0.0).to(tl.float32)
    x_hat *= factor
    d_hat = tl.load(d_normed + row * d_normed_stride + column, mask=inside, other=0.0).to(
        tl.float32
    )
    d_hat *= tl.load(weight + column, mask=inside, other=0.0).to(tl.float32)
    d_x = factor * (d_hat - x_hat * (tl.sum(d_hat * x_hat, axis=0) / n))
    if HAS_TOTAL:
        d_x += tl.load(d_total + row * d_total_stride + column, mask=inside, other=0.0).to(
            tl.float32
        )
    tl.store(out + row * out_stride + column, d_x, mask=inside)


@triton.jit
def swiglu(gate_up, out, stride, n, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < n
    gate = tl.load(gate_up + row * stride + column, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_up + row * stride + n + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * n + column, gate * tl.sigmoid(gate) * up, mask=inside)


@triton.jit
def swiglu_backward(gate_up, d_out, out, stride, d_out_stride, n, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < n
    gate = tl.load(gate_up + row * stride + column, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_up + row * stride + n + column, mask=inside, other=0.0).to(tl.float32)
    d_value = tl.load(d_out + row * d_out_stride + column, mask=inside, other=0.0).to(tl.float32)
    sigmoid = tl.sigmoid(gate)
    d_gate = d_value * up * sigmoid * (1.0 + gate * (1.0 - sigmoid))
    tl.store(out + row * 2 * n + column, d_gate, mask=inside)
    tl.store(out + row * 2 * n + n + column, d_value * gate * sigmoid, mask=inside)


@triton.jit
def _of_heads(q, k, v, token, head, column, heads, kv_heads, width):
    """Load some columns of a token's heads [q; k; v], of which a row of qkv is made."""
    k_head, v_head = head - heads, head - heads - kv_heads
    at_q = q + (token * heads + head) * width + column
    at_k = k + (token * kv_heads + k_head) * width + column
    at_v = v + (token * kv_heads + v_head) * width + column
    value = tl.load(at_q, mask=head < heads, other=0.0)
    value += tl.load(at_k, mask=(k_head >= 0) & (k_head < kv_heads), other=0.0)
    value += tl.load(at_v, mask=(v_head >= 0) & (v_head < kv_heads), other=0.0)
    return value.to(tl.float32)


@triton.jit
def apply_rope(
    qkv, q, k, v, cos, sin, q_weight, k_weight, d_qkv, index, again, shared, stride, heads,
    kv_heads, eps, NORMS: tl.constexpr, BACKWARD: tl.constexpr, COPIES: tl.constexpr,
    HALF: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Split one row of qkv into q, k, v with RoPE on q and k; with NORMS each of their heads is
    normalised before. BACKWARD reads the gradients of q, k, v (and qkv with NORMS) and writes
    those of qkv.

    With COPIES ``index`` names the row of qkv that each token of q, k and v is made of; BACKWARD
    it names the first token made of each row, and ``again`` [COPIES, shared] the others.
    """
    row = tl.program_id(0).to(tl.int64)
    token = row
    if COPIES > 0:
        if BACKWARD:
            token = tl.load(index + row)
        else:
            row = tl.load(index + token)
    head = tl.arange(0, BLOCK)[:, None]
    column = tl.arange(0, HALF)[None, :]
    width = 2 * HALF
    in_q = head < heads
    in_k = (head >= heads) & (head < heads + kv_heads)
    in_v = (head >= heads + kv_heads) & (head < heads + 2 * kv_heads)
    inside = in_q | in_k | in_v
    at = qkv + row * stride + head * width + column
    c = tl.load(cos + token * width + column).to(tl.float32)
    s = tl.load(sin + token * width + column).to(tl.float32)
    if NORMS or not BACKWARD:
        low = tl.load(at, mask=inside, other=0.0).to(tl.float32)
        high = tl.load(at + HALF, mask=inside, other=0.0).to(tl.float32)
    if NORMS:
        squares = tl.sum(low * low, axis=1) + tl.sum(high * high, axis=1)
        factor = tl.rsqrt(squares / width + eps)[:, None]
        q_low = tl.load(q_weight + column).to(tl.float32)
        q_high = tl.load(q_weight + HALF + column).to(tl.float32)
        k_low = tl.load(k_weight + column).to(tl.float32)
        k_high = tl.load(k_weight + HALF + column).to(tl.float32)
        w_low = tl.where(in_q, q_low, k_low)
        w_high = tl.where(in_q, q_high, k_high)
        hat_low = low * factor
        hat_high = high * factor
        kind = q.dtype.element_ty
        low = tl.where(in_v, low, hat_low.to(kind).to(tl.float32) * w_low)
        high = tl.where(in_v, high, hat_high.to(kind).to(tl.float32) * w_high)
    if BACKWARD:
        s = -s
        low = _of_heads(q, k, v, token, head, column, heads, kv_heads, width)
        high = _of_heads(q, k, v, token, head, column + HALF, heads, kv_heads, width)
        if COPIES > 0:
            for copy in range(tl.where(row < shared, COPIES, 0)):
                other = tl.load(again + copy * shared + row)
                low += _of_heads(q, k, v, other, head, column, heads, kv_heads, width)
                high += _of_heads(q, k, v, other, head, column + HALF, heads, kv_heads, width)
    new_low = tl.where(in_v, low, low * c - high * s)
    new_high = tl.where(in_v, high, high * c + low * s)
    if BACKWARD:
        if NORMS:
            d_low = new_low * w_low
            d_high = new_high * w_high
            along = tl.sum(d_low * hat_low, axis=1) + tl.sum(d_high * hat_high, axis=1)
            along = (along / width)[:, None]
            new_low = tl.where(in_v, new_low, factor * (d_low - hat_low * along))
            new_high = tl.where(in_v, new_high, factor * (d_high - hat_high * along))
        at_d = d_qkv + row * (heads + 2 * kv_heads) * width + head * width + column
        tl.store(at_d, new_low, mask=inside)
        tl.store(at_d + HALF, new_high, mask=inside)
    else:
        at_q = q + (token * heads + head) * width + column
        at_k = k + (token * kv_heads + head - heads) * width + column
        at_v = v + (token * kv_heads + head - heads - kv_heads) * width + column
        tl.store(at_q, new_low, mask=in_q)
        tl.store(at_q + HALF, new_high, mask=in_q)
        tl.store(at_k, new_low, mask=in_k)
        tl.store(at_k + HALF, new_high, mask=in_k)
        tl.store(at_v, new_low, mask=in_v)
        tl.store(at_v + HALF, new_high, mask=in_v)


@triton.jit
def losses(logits, targets, lse, loss, n, BLOCK: tl.constexpr):
    """Write the log-sum-exp of a row of logits [rows, n] and its cross-entropy, 0 at -100."""
    row = tl.program_id(0).to(tl.int64)
    top = tl.full((BLOCK,), float("-inf"), tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    for first in range(0, n, BLOCK):
        column = first + tl.arange(0, BLOCK)
        value = tl.load(logits + row * n + column, mask=column < n, other=float("-inf"))
        value = value.to(tl.float32)
        new_top = tl.maximum(top, value)
        # Lanes past the end have seen no number yet where a row is shorter than a block.
        shift = tl.where(new_top == float("-inf"), 0.0, new_top)
        total = total * tl.exp(top - shift) + tl.exp(value - shift)
        top = new_top
    highest = tl.max(top, 0)
    found = highest + tl.log(tl.sum(total * tl.exp(top - highest), 0))
    tl.store(lse + row, found)
    target = tl.load(targets + row)
    picked = tl.load(logits + row * n + tl.maximum(target, 0)).to(tl.float32)
    tl.store(loss + row, tl.where(target >= 0, found - picked, 0.0))


@triton.jit
def losses_backward(logits, targets, lse, d_loss, out, n, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < n
    target = tl.load(targets + row)
    factor = tl.where(target >= 0, tl.load(d_loss), 0.0)
    value = tl.load(logits + row * n + column, mask=inside, other=0.0).to(tl.float32)
    probability = tl.exp(value - tl.load(lse + row))
    gradient = factor * (probability - tl.where(column == target, 1.0, 0.0))
    tl.store(out + row * n + column, gradient, mask=inside)


@triton.jit
def copy_adapters(table, sizes, scales, BLOCK: tl.constexpr):
    """Copy matrix program_id(0), times its scale, from dense float32 to strided rows."""
    index = tl.program_id(0)
    rows = tl.load(sizes + 3 * index)
    columns = tl.load(sizes + 3 * index + 1)
    stride = tl.load(sizes + 3 * index + 2)  # 32 bits: dividing 64 takes several times longer
    source = tl.load(table + 2 * index).to(tl.pointer_type(tl.float32))
    target = tl.load(table + 2 * index + 1).to(tl.pointer_type(tl.bfloat16))
    scale = tl.load(scales + index)
    count = rows * columns
    start = tl.program_id(1) * BLOCK
    while start < count:
        element = start + tl.arange(0, BLOCK)
        inside = element < count
        value = tl.load(source + element, mask=inside, other=0.0) * scale
        at = (element // columns) * stride + element % columns
        tl.store(target + at, value.to(tl.bfloat16), mask=inside)
        start += tl.num_programs(1) * BLOCK


@triton.jit
def draw(logits, seeds, tokens, n, inverse, BLOCK: tl.constexpr):
    """Draw from the softmax of ``inverse`` times a row of logits [rows, n], in one reading of it.

    The largest of logit + Gumbel noise is such a draw (Gumbel 1954). Noise is -log of an
    exponential number, which is -log(1 - u); u is uniform in steps of 2^-31 near 0, where the
    largest noise comes from. A row without a number gets n, which is no token.
    """
    row = tl.program_id(0).to(tl.int64)
    seed = tl.load(seeds + row)
    lane = tl.arange(0, BLOCK)
    best = tl.full((BLOCK,), float("-inf"), tl.float32)
    best_at = tl.full((BLOCK,), 0, tl.int32) + n
    for first in range(0, n, 4 * BLOCK):
        uniforms = tl.rand4x(seed, first // 4 + lane)
        for part in tl.static_range(4):
            column = first + part * BLOCK + lane
            value = tl.load(logits + row * n + column, mask=column < n, other=float("-inf"))
            u = uniforms[part]
            exponential = tl.where(u < 1e-4, u + u * u / 2, -tl.log(1.0 - u))
            noise = -tl.log(tl.maximum(exponential, 2.3283064e-10))
            value = value.to(tl.float32) * inverse + noise
            best_at = tl.where(value > best, column, best_at)
            best = tl.maximum(best, value)
    top = tl.max(best, 0)
    tl.store(tokens + row, tl.min(tl.where(best == top, best_at, n), 0))


@triton.jit
def bit_sums(bits, parts, count, odd, BLOCK: tl.constexpr):
    """Write the sum and the weighted sum of one block of integers; they wrap as int64 does."""
    block = tl.program_id(0).to(tl.int64)
    index = block * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(bits + index, mask=index < count, other=0).to(tl.int64)
    weight = (index * 2 + 1) * odd
    tl.store(parts + 2 * block, tl.sum(value, 0))
    tl.store(parts + 2 * block + 1, tl.sum(value * (weight ^ (weight >> 29)), 0))
