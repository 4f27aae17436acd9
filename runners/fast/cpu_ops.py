"""The steps between the matrix products on a CPU: fewer passes, gradients written by hand.

The mathematics is that of ``pointwise``; a step there is five to ten operations to autograd, which
for a small model cost as much as the matrix products.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional


def norm(x: torch.Tensor, weight: torch.Tensor, eps: float, room: int = 0) -> torch.Tensor:
    """The norm of frozen embeddings, with ``room`` spare columns behind it: no gradient."""
    return _normed(x, weight, _factor(_wide(x), eps), room)


def add_norm(
    x: torch.Tensor, change: torch.Tensor, weight: torch.Tensor, eps: float, room: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the residual stream after ``change``, and its norm with ``room`` spare columns."""
    found: tuple[torch.Tensor, torch.Tensor] = _AddNorm.apply(x, change, weight, eps, room)
    return found


def spread(cos: torch.Tensor, sin: torch.Tensor, heads: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Write cosines, and sines with the sign of the half they add to, out for every head.

    Whole rows then meet whole rows: [t, d] becomes [t, heads d].
    """
    half = cos.shape[-1] // 2
    signed = torch.cat((-sin[:, :half], sin[:, half:]), dim=1)
    return cos.repeat(1, heads), signed.repeat(1, heads)


def rotate(
    qkv: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, heads: int, kv_heads: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Split q, k and v and turn q and k by their positions, which ``spread`` has written out."""
    found: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = _Rotate.apply(
        qkv, cos, sin, heads, kv_heads
    )
    return found


def swiglu(gate_up: torch.Tensor) -> torch.Tensor:
    """silu(gate) * up."""
    found: torch.Tensor = _Swiglu.apply(gate_up)
    return found


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
        total = x + change[:, : x.shape[1]]
        factor = _factor(_wide(total), eps)
        ctx.save_for_backward(total, weight, factor)
        ctx.columns = change.shape[1]
        ctx.set_materialize_grads(False)
        return total, _normed(total, weight, factor, room)

    @staticmethod
    def backward(ctx: Any, of_total: torch.Tensor | None, of_normed: torch.Tensor) -> Any:
        total, weight, factor = ctx.saved_tensors
        n = total.shape[1]
        grad = _wide(of_normed[:, :n]) * weight
        hat = _wide(total) * factor
        along = torch.linalg.vecdot(grad, hat).div_(n).unsqueeze(-1)
        out = of_normed.new_empty(len(total), ctx.columns)
        found = torch.addcmul(grad, hat, along, value=-1.0).mul_(factor)
        if of_total is None:
            out[:, :n] = found
        else:
            torch.add(found, of_total, out=out[:, :n])
        return out[:, :n], out, None, None, None


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
        width = cos.shape[1] // heads
        q, k, v = qkv.split([heads * width, kv_heads * width, kv_heads * width], dim=1)
        ctx.save_for_backward(cos, sin)
        ctx.width = width
        found = (_turned(q, cos, sin, width), _turned(k, cos, sin, width), v)
        return tuple(part.unflatten(1, (-1, width)) for part in found)  # type: ignore[return-value]

    @staticmethod
    def backward(ctx: Any, of_q: torch.Tensor, of_k: torch.Tensor, of_v: torch.Tensor) -> Any:
        cos, sin = ctx.saved_tensors
        of_q, of_k, of_v = (part.flatten(1) for part in (of_q, of_k, of_v))
        back = (cos, -sin, ctx.width)
        joint = torch.cat((_turned(of_q, *back), _turned(of_k, *back), of_v), dim=1)
        return joint, None, None, None, None


class _Swiglu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate_up: torch.Tensor) -> torch.Tensor:
        gate, up = gate_up.chunk(2, dim=-1)
        silu = functional.silu(gate)
        ctx.save_for_backward(gate_up, silu)
        return silu * up

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        gate_up, silu = ctx.saved_tensors
        n = grad.shape[1]
        out = torch.empty_like(gate_up)
        torch.mul(grad, silu, out=out[:, n:])
        torch.ops.aten.silu_backward.grad_input(
            grad * gate_up[:, n:], gate_up[:, :n], grad_input=out[:, :n]
        )
        return out


def _wide(x: torch.Tensor) -> torch.Tensor:
    """As ``Qwen2RMSNorm`` does it: reduced precision is widened to float32."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def _factor(x: torch.Tensor, eps: float) -> torch.Tensor:
    """1 / root mean square of each row, [t, 1] (arXiv 1910.07467)."""
    return torch.linalg.vecdot(x, x).div_(x.shape[1]).add_(eps).rsqrt_().unsqueeze(-1)


def _normed(x: torch.Tensor, weight: torch.Tensor, factor: torch.Tensor, room: int) -> torch.Tensor:
    tokens, n = x.shape
    out = x.new_empty(tokens, n + room)
    if x.dtype == factor.dtype:
        torch.mul(x, factor, out=out[:, :n])
    else:
        out[:, :n] = x * factor
    out[:, :n].mul_(weight)
    return out


def _turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, width: int) -> torch.Tensor:
    """Turn x [t, heads d]; cos and sin may be those of more heads."""
    columns = x.shape[1]
    swapped = x.unflatten(1, (-1, width)).roll(width // 2, dims=2).flatten(1)
    return (x * cos[:, :columns]).addcmul_(swapped, sin[:, :columns])
