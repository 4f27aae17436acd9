"""Starts the Triton kernels, and tells autograd which one goes back for which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import triton

from runners.fast import torch_ops, triton_kernels
from runners.fast.torch_ops import Copy


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
        self._sizes = torch.tensor(sizes, dtype=torch.int32, device=device)
        self._scales = torch.tensor([scale for *_, scale in copies], device=device)

    def __call__(self) -> None:
        """Copy everything."""
        triton_kernels.place[(len(self._kept), 64)](self._table, self._sizes, self._scales, 1024)


class _AddNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        change: torch.Tensor,
        weight: torch.Tensor,
        eps: float,
        room: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        rows, n = x.shape
        total, normed = torch.empty_like(x), x.new_empty(rows, n + room)
        scale = torch.empty(rows, dtype=torch.float32, device=x.device)
        block = triton.next_power_of_2(n)
        triton_kernels.add_norm[(rows,)](
            x, change, weight, total, normed, scale, change.stride(0), n + room, n, eps, True, block
        )  # fmt: skip
        ctx.save_for_backward(total, weight, scale)
        ctx.columns = change.shape[1]
        ctx.set_materialize_grads(False)
        return total, normed

    @staticmethod
    def backward(ctx: Any, of_total: torch.Tensor | None, of_normed: torch.Tensor) -> Any:
        total, weight, scale = ctx.saved_tensors
        rows, n = total.shape
        of_normed = _by_rows(of_normed)
        given = of_normed if of_total is None else _by_rows(of_total)
        out = total.new_empty(rows, ctx.columns)
        block = triton.next_power_of_2(n)
        triton_kernels.add_norm_back[(rows,)](
            total, weight, scale, given, of_normed, out, given.stride(0), of_normed.stride(0),
            ctx.columns, n, of_total is not None, block,
        )  # fmt: skip
        return out[:, :n], out, None, None, None


class _Swiglu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate_up: torch.Tensor) -> torch.Tensor:
        rows, n = gate_up.shape[0], gate_up.shape[1] // 2
        out = gate_up.new_empty(rows, n)
        triton_kernels.swiglu[(rows, triton.cdiv(n, 2048))](
            gate_up, out, gate_up.stride(0), n, 2048
        )
        ctx.save_for_backward(gate_up)
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        (gate_up,) = ctx.saved_tensors
        rows, n = grad.shape
        grad = _by_rows(grad)
        out = torch.empty((rows, 2 * n), dtype=grad.dtype, device=grad.device)
        triton_kernels.swiglu_back[(rows, triton.cdiv(n, 2048))](
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
    triton_kernels.rotate[(len(cos),)](
        joint, q, k, v, cos, sin, joint.stride(0), heads, kv_heads,
        back, cos.shape[1] // 2, block, num_warps=8,
    )  # fmt: skip


def _by_rows(x: torch.Tensor) -> torch.Tensor:
    """The kernels take any distance between rows, none between columns."""
    return x if x.stride(1) == 1 else x.contiguous()


def placement(copies: Sequence[Copy]) -> Callable[[], None]:
    """Return what makes all copies; one by one where they are of other kinds."""
    kinds = {(source.dtype, target.dtype) for source, target, _ in copies}
    if kinds == {(torch.float32, torch.bfloat16)} and all(c[0].is_contiguous() for c in copies):
        return Placement(copies)
    return torch_ops.placement(copies)


def norm(x: torch.Tensor, weight: torch.Tensor, eps: float, room: int = 0) -> torch.Tensor:
    """The norm of frozen embeddings, with ``room`` spare columns behind it: no gradient."""
    rows, n = x.shape
    normed = x.new_empty(rows, n + room)
    scale = torch.empty(rows, dtype=torch.float32, device=x.device)
    block = triton.next_power_of_2(n)
    triton_kernels.add_norm[(rows,)](
        x, x, weight, x, normed, scale, n, n + room, n, eps, False, block
    )
    return normed


def add_norm(
    x: torch.Tensor, change: torch.Tensor, weight: torch.Tensor, eps: float, room: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the residual stream after ``change``, and its norm with ``room`` spare columns."""
    x, change = x.contiguous(), _by_rows(change)
    found: tuple[torch.Tensor, torch.Tensor] = _AddNorm.apply(x, change, weight, eps, room)
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
