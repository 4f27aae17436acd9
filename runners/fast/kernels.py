"""Triton kernels of the steps between the matrix products, forward and backward."""

# ruff: noqa: N803  (compile-time constants are written in capitals)
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import triton
import triton.language as tl

from runners.fast import pointwise
from runners.fast.pointwise import Copy


@triton.jit
def _add_norm(
    x, change, weight, total, normed, scale, stride, n, eps, ADDS: tl.constexpr, BLOCK: tl.constexpr
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
    tl.store(normed + row * n + place, scaled * weights, mask=inside)


@triton.jit
def _add_norm_back(
    total, weight, scale, of_total, of_normed, out, stride, n,
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
        found += tl.load(of_total + row * n + place, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * n + place, found, mask=inside)


@triton.jit
def _swiglu(gate_up, out, stride, n, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n
    gate = tl.load(gate_up + row * stride + place, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_up + row * stride + n + place, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * n + place, gate * tl.sigmoid(gate) * up, mask=inside)


@triton.jit
def _swiglu_back(gate_up, grad, out, stride, grad_stride, n, BLOCK: tl.constexpr):
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
def _rotate(
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
def _place(table, sizes, scales, BLOCK: tl.constexpr):
    """Copy matrix program_id(0), times its scale, from dense float32 to strided rows."""
    index = tl.program_id(0)
    rows = tl.load(sizes + 3 * index)
    columns = tl.load(sizes + 3 * index + 1)
    stride = tl.load(sizes + 3 * index + 2)
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


class Placement:
    """Copies of many small matrices out of float32 into bfloat16, started as one kernel.

    Addresses are taken down once: all tensors must stay where they are.
    """

    def __init__(self, copies: Sequence[Copy]) -> None:
        device = copies[0][0].device
        self._kept = copies
        addresses = [[source.data_ptr(), target.data_ptr()] for source, target, _ in copies]
        sizes = [[*source.shape, target.stride(0)] for source, target, _ in copies]
        self._table = torch.tensor(addresses, dtype=torch.int64, device=device)
        self._sizes = torch.tensor(sizes, dtype=torch.int64, device=device)
        self._scales = torch.tensor([scale for *_, scale in copies], device=device)

    def __call__(self) -> None:
        """Copy everything."""
        _place[(len(self._kept), 24)](self._table, self._sizes, self._scales, 1024)


class _AddNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, change: torch.Tensor, weight: torch.Tensor, eps: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        rows, n = x.shape
        total, normed = torch.empty_like(x), torch.empty_like(x)
        scale = torch.empty(rows, dtype=torch.float32, device=x.device)
        block = triton.next_power_of_2(n)
        _add_norm[(rows,)](
            x, change, weight, total, normed, scale, change.stride(0), n, eps, True, block
        )  # fmt: skip
        ctx.save_for_backward(total, weight, scale)
        ctx.set_materialize_grads(False)
        return total, normed

    @staticmethod
    def backward(ctx: Any, of_total: torch.Tensor | None, of_normed: torch.Tensor) -> Any:
        total, weight, scale = ctx.saved_tensors
        rows, n = total.shape
        of_normed = of_normed if of_normed.stride(1) == 1 else of_normed.contiguous()
        given = of_normed if of_total is None else of_total.contiguous()
        out = torch.empty_like(total)
        block = triton.next_power_of_2(n)
        _add_norm_back[(rows,)](
            total, weight, scale, given, of_normed, out, of_normed.stride(0), n,
            of_total is not None, block,
        )  # fmt: skip
        return out, out, None, None


class _Swiglu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate_up: torch.Tensor) -> torch.Tensor:
        rows, n = gate_up.shape[0], gate_up.shape[1] // 2
        out = gate_up.new_empty(rows, n)
        _swiglu[(rows, triton.cdiv(n, 2048))](gate_up, out, gate_up.stride(0), n, 2048)
        ctx.save_for_backward(gate_up)
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        (gate_up,) = ctx.saved_tensors
        rows, n = grad.shape
        grad = grad if grad.stride(1) == 1 else grad.contiguous()
        out = torch.empty((rows, 2 * n), dtype=grad.dtype, device=grad.device)
        _swiglu_back[(rows, triton.cdiv(n, 2048))](
            gate_up, grad, out, gate_up.stride(0), grad.stride(0), n, 2048
        )
        return out


class _Rotate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        qkv: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        heads: int,
        kv_heads: int,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        tokens, width = cos.shape
        q = qkv.new_empty(tokens, heads, width)
        k, v = (qkv.new_empty(tokens, kv_heads, width) for _ in range(2))
        _launch_rotate(qkv, q, k, v, cos, sin, back=False)
        ctx.save_for_backward(cos, sin)
        return q, k, v

    @staticmethod
    def backward(ctx: Any, of_q: torch.Tensor, of_k: torch.Tensor, of_v: torch.Tensor) -> Any:
        cos, sin = ctx.saved_tensors
        of_q, of_k, of_v = (part.contiguous() for part in (of_q, of_k, of_v))
        joint = of_q.new_empty(len(of_q), (of_q.shape[1] + 2 * of_k.shape[1]) * of_q.shape[2])
        _launch_rotate(joint, of_q, of_k, of_v, cos, sin, back=True)
        return joint, None, None, None, None


def _launch_rotate(
    joint: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    back: bool,
) -> None:
    heads, kv_heads = q.shape[1], k.shape[1]
    block = triton.next_power_of_2(heads + 2 * kv_heads)
    _rotate[(len(cos),)](
        joint, q, k, v, cos, sin, joint.stride(0), heads, kv_heads,
        back, cos.shape[1] // 2, block, num_warps=8,
    )  # fmt: skip


def placement(copies: Sequence[Copy]) -> Callable[[], None]:
    """Return what makes all copies; one by one where they are of other kinds."""
    kinds = {(source.dtype, target.dtype) for source, target, _ in copies}
    if kinds == {(torch.float32, torch.bfloat16)} and all(c[0].is_contiguous() for c in copies):
        return Placement(copies)
    return pointwise.placement(copies)


def norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """The norm of frozen embeddings: no gradient."""
    rows, n = x.shape
    normed = torch.empty_like(x)
    scale = torch.empty(rows, dtype=torch.float32, device=x.device)
    block = triton.next_power_of_2(n)
    _add_norm[(rows,)](x, x, weight, x, normed, scale, n, n, eps, False, block)
    return normed


def add_norm(
    x: torch.Tensor, change: torch.Tensor, weight: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the residual stream after ``change``, and its norm."""
    found: tuple[torch.Tensor, torch.Tensor] = _AddNorm.apply(x.contiguous(), change, weight, eps)
    return found


def rotate(
    qkv: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, heads: int, kv_heads: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Split q, k and v and turn q and k by their positions."""
    found: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = _Rotate.apply(
        qkv, cos.contiguous(), sin.contiguous(), heads, kv_heads
    )
    return found


def swiglu(gate_up: torch.Tensor) -> torch.Tensor:
    """silu(gate) * up."""
    found: torch.Tensor = _Swiglu.apply(gate_up)
    return found
