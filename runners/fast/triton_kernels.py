"""Triton kernels of the steps between the matrix products; ``launch`` says with what they start."""

# ruff: noqa: N803  (compile-time constants are written in capitals)
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def add_norm(
    x, change, weight, total, normed, scale, stride, normed_stride, n, eps,
    ADDS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    place = tl.arange(0, BLOCK)
    inside = place < n
    value = tl.load(x + row * n + place, mask=inside, other=0.0).to(tl.float32)
    if ADDS:
        value += tl.load(change + row * stride + place, mask=inside, other=0.0).to(tl.float32)
        rounded = value.to(total.dtype.element_ty)
        tl.store(total + row * n + place, rounded, mask=inside)
        value = rounded.to(tl.float32)
    factor = tl.rsqrt(tl.sum(value * value, axis=0) / n + eps)
    tl.store(scale + row, factor)
    scaled = (value * factor).to(normed.dtype.element_ty).to(tl.float32)
    weights = tl.load(weight + place, mask=inside, other=0.0).to(tl.float32)
    tl.store(normed + row * normed_stride + place, scaled * weights, mask=inside)


@triton.jit
def add_norm_back(
    total, weight, scale, of_total, of_normed, out, total_stride, stride, out_stride, n,
    HAS_TOTAL: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    place = tl.arange(0, BLOCK)
    inside = place < n
    factor = tl.load(scale + row)
    hat = tl.load(total + row * n + place, mask=inside, other=0.0).to(tl.float32) * factor
    grad = tl.load(of_normed + row * stride + place, mask=inside, other=0.0).to(tl.float32)
    grad *= tl.load(weight + place, mask=inside, other=0.0).to(tl.float32)
    found = factor * (grad - hat * (tl.sum(grad * hat, axis=0) / n))
    if HAS_TOTAL:
        found += tl.load(of_total + row * total_stride + place, mask=inside, other=0.0).to(
            tl.float32
        )
    tl.store(out + row * out_stride + place, found, mask=inside)


@triton.jit
def swiglu(gate_up, out, stride, n, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n
    gate = tl.load(gate_up + row * stride + place, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_up + row * stride + n + place, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * n + place, gate * tl.sigmoid(gate) * up, mask=inside)


@triton.jit
def swiglu_back(gate_up, grad, out, stride, grad_stride, n, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n
    gate = tl.load(gate_up + row * stride + place, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_up + row * stride + n + place, mask=inside, other=0.0).to(tl.float32)
    given = tl.load(grad + row * grad_stride + place, mask=inside, other=0.0).to(tl.float32)
    sigmoid = tl.sigmoid(gate)
    of_gate = given * up * sigmoid * (1.0 + gate * (1.0 - sigmoid))
    tl.store(out + row * 2 * n + place, of_gate, mask=inside)
    tl.store(out + row * 2 * n + n + place, given * gate * sigmoid, mask=inside)


@triton.jit
def rotate(
    joint, q, k, v, cos, sin, stride, heads, kv_heads,
    BACK: tl.constexpr, HALF: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Move between one joint row and q, k, v, turning q and k; BACK turns the other way."""
    token = tl.program_id(0).to(tl.int64)
    head = tl.arange(0, BLOCK)[:, None]
    place = tl.arange(0, HALF)[None, :]
    width = 2 * HALF
    in_q = head < heads
    in_k = (head >= heads) & (head < heads + kv_heads)
    in_v = (head >= heads + kv_heads) & (head < heads + 2 * kv_heads)
    at = joint + token * stride + head * width + place
    at_q = q + (token * heads + head) * width + place
    at_k = k + (token * kv_heads + head - heads) * width + place
    at_v = v + (token * kv_heads + head - heads - kv_heads) * width + place
    c = tl.load(cos + token * width + place).to(tl.float32)
    s = tl.load(sin + token * width + place).to(tl.float32)
    if BACK:
        s = -s
        low = tl.load(at_q, mask=in_q, other=0.0) + tl.load(at_k, mask=in_k, other=0.0)
        low += tl.load(at_v, mask=in_v, other=0.0)
        high = tl.load(at_q + HALF, mask=in_q, other=0.0)
        high += tl.load(at_k + HALF, mask=in_k, other=0.0)
        high += tl.load(at_v + HALF, mask=in_v, other=0.0)
    else:
        low = tl.load(at, mask=in_q | in_k | in_v, other=0.0)
        high = tl.load(at + HALF, mask=in_q | in_k | in_v, other=0.0)
    low = low.to(tl.float32)
    high = high.to(tl.float32)
    new_low = tl.where(in_v, low, low * c - high * s)
    new_high = tl.where(in_v, high, high * c + low * s)
    if BACK:
        tl.store(at, new_low, mask=in_q | in_k | in_v)
        tl.store(at + HALF, new_high, mask=in_q | in_k | in_v)
    else:
        tl.store(at_q, new_low, mask=in_q)
        tl.store(at_q + HALF, new_high, mask=in_q)
        tl.store(at_k, new_low, mask=in_k)
        tl.store(at_k + HALF, new_high, mask=in_k)
        tl.store(at_v, new_low, mask=in_v)
        tl.store(at_v + HALF, new_high, mask=in_v)


@triton.jit
def place(table, sizes, scales, BLOCK: tl.constexpr):
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
        place = start + tl.arange(0, BLOCK)
        inside = place < count
        value = tl.load(source + place, mask=inside, other=0.0) * scale
        at = (place // columns) * stride + place % columns
        tl.store(target + at, value.to(tl.bfloat16), mask=inside)
        start += tl.num_programs(1) * BLOCK
