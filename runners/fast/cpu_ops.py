"""The steps between the matrix products on a CPU: fewer passes, gradients written by hand.

Same mathematics as ``torch_ops``. Autograd sees one step there as five to ten operations, which for
a small model cost as much as the matrix products.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from runners.fast.packing import Sharing
from runners.fast.torch_ops import HeadNorms, split_heads


def norm(x: torch.Tensor, weight: torch.Tensor, eps: float, pad_columns: int = 0) -> torch.Tensor:
    """Normalise [t, n], or more columns, to [t, n + pad_columns]."""
    found: torch.Tensor = _Norm.apply(x, weight, eps, pad_columns)
    return found


def add_norm(
    x: torch.Tensor, update: torch.Tensor, weight: torch.Tensor, eps: float, pad_columns: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the residual stream after ``update``, [t, n], and its norm, [t, n + pad_columns]."""
    found: tuple[torch.Tensor, torch.Tensor] = _AddNorm.apply(x, update, weight, eps, pad_columns)
    return found


def prepare_rope(
    cos: torch.Tensor, sin: torch.Tensor, heads: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Repeat cosines and sines for every head, [t, d] to [t, heads d]; rows then multiply rows.

    Each sine gets the sign of the half that it is added to.
    """
    half = cos.shape[-1] // 2
    signed = torch.cat((-sin[:, :half], sin[:, half:]), dim=1)
    return cos.repeat(1, heads), signed.repeat(1, heads)


def apply_rope(
    qkv: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    heads: int,
    kv_heads: int,
    norms: HeadNorms | None = None,
    sharing: Sharing | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Split qkv into q, k and v, with RoPE on q and k; cos and sin come from ``prepare_rope``."""
    qkv = qkv if sharing is None else qkv[sharing.source]
    if norms is not None:
        q, k, v = split_heads(qkv, heads, kv_heads)
        q, k = (
            norm(part.flatten(0, 1), weight, norms.eps).view_as(part)
            for part, weight in ((q, norms.q), (k, norms.k))
        )
        qkv = torch.cat((q, k, v), dim=1).flatten(1)
    found: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = _ApplyRope.apply(
        qkv, cos, sin, heads, kv_heads
    )
    return found


def swiglu(gate_up: torch.Tensor) -> torch.Tensor:
    """Return silu(gate) * up, [t, n], of [t, 2 n]."""
    found: torch.Tensor = _Swiglu.apply(gate_up)
    return found


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, eps: float, pad_columns: int
    ) -> torch.Tensor:
        ctx.columns, x = x.shape[1], x[:, : len(weight)]
        inv_rms = _inv_rms(_precise(x), eps)
        ctx.save_for_backward(x, weight, inv_rms)
        return _normed(x, weight, inv_rms, pad_columns)

    @staticmethod
    def backward(ctx: Any, d_normed: torch.Tensor) -> Any:
        x, weight, inv_rms = ctx.saved_tensors
        out = x.new_empty(len(x), ctx.columns)
        out[:, : x.shape[1]] = _norm_gradient(x, weight, inv_rms, d_normed)
        return out, None, None, None


class _AddNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        update: torch.Tensor,
        weight: torch.Tensor,
        eps: float,
        pad_columns: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        total = x + update[:, : x.shape[1]]
        inv_rms = _inv_rms(_precise(total), eps)
        ctx.save_for_backward(total, weight, inv_rms)
        ctx.columns = update.shape[1]
        ctx.set_materialize_grads(False)
        return total, _normed(total, weight, inv_rms, pad_columns)

    @staticmethod
    def backward(ctx: Any, d_total: torch.Tensor | None, d_normed: torch.Tensor) -> Any:
        total, weight, inv_rms = ctx.saved_tensors
        n = total.shape[1]
        out = d_normed.new_empty(len(total), ctx.columns)
        d_x = _norm_gradient(total, weight, inv_rms, d_normed)
        if d_total is None:
            out[:, :n] = d_x
        else:
            torch.add(d_x, d_total, out=out[:, :n])
        return out[:, :n], out, None, None, None


class _ApplyRope(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, qkv: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, heads: int, kv_heads: int
    ) -> tuple[torch.Tensor, ...]:
        width = cos.shape[1] // heads
        q, k, v = qkv.split([heads * width, kv_heads * width, kv_heads * width], dim=1)
        ctx.save_for_backward(cos, sin)
        ctx.width = width
        found = (_rope(q, cos, sin, width), _rope(k, cos, sin, width), v)
        return tuple(part.unflatten(1, (-1, width)) for part in found)

    @staticmethod
    def backward(ctx: Any, d_q: torch.Tensor, d_k: torch.Tensor, d_v: torch.Tensor) -> Any:
        cos, sin = ctx.saved_tensors
        d_q, d_k, d_v = (part.flatten(1) for part in (d_q, d_k, d_v))
        inverse = (cos, -sin, ctx.width)
        d_qkv = torch.cat((_rope(d_q, *inverse), _rope(d_k, *inverse), d_v), dim=1)
        return d_qkv, None, None, None, None


class _Swiglu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate_up: torch.Tensor) -> torch.Tensor:
        gate, up = gate_up.chunk(2, dim=-1)
        silu = functional.silu(gate)
        ctx.save_for_backward(gate_up, silu)
        return silu * up

    @staticmethod
    def backward(ctx: Any, d_out: torch.Tensor) -> torch.Tensor:
        gate_up, silu = ctx.saved_tensors
        n = d_out.shape[1]
        out = torch.empty_like(gate_up)
        torch.mul(d_out, silu, out=out[:, n:])
        torch.ops.aten.silu_backward.grad_input(
            d_out * gate_up[:, n:], gate_up[:, :n], grad_input=out[:, :n]
        )
        return out


def _precise(x: torch.Tensor) -> torch.Tensor:
    """Widen reduced precision to float32, as ``Qwen2RMSNorm`` does."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def _inv_rms(x: torch.Tensor, eps: float) -> torch.Tensor:
    """1 / root mean square of each row, [t, 1] (arXiv 1910.07467)."""
    found: torch.Tensor = torch.linalg.vecdot(x, x).div_(x.shape[1]).add_(eps).rsqrt_()
    return found.unsqueeze(-1)


def _norm_gradient(
    x: torch.Tensor, weight: torch.Tensor, inv_rms: torch.Tensor, d_normed: torch.Tensor
) -> torch.Tensor:
    """Return the gradient of a norm's input, in the precision of ``inv_rms``."""
    n = x.shape[1]
    d_hat = _precise(d_normed[:, :n]) * weight
    x_hat = _precise(x) * inv_rms
    along = torch.linalg.vecdot(d_hat, x_hat).div_(n).unsqueeze(-1)
    return torch.addcmul(d_hat, x_hat, along, value=-1.0).mul_(inv_rms)


def _normed(
    x: torch.Tensor, weight: torch.Tensor, inv_rms: torch.Tensor, pad_columns: int
) -> torch.Tensor:
    tokens, n = x.shape
    out = x.new_empty(tokens, n + pad_columns)
    if x.dtype == inv_rms.dtype:
        torch.mul(x, inv_rms, out=out[:, :n])
    else:
        out[:, :n] = x * inv_rms
    out[:, :n].mul_(weight)
    return out


def _rope(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, width: int) -> torch.Tensor:
    """Rotate x [t, heads d]; cos and sin may cover more heads."""
    columns = x.shape[1]
    swapped = x.unflatten(1, (-1, width)).roll(width // 2, dims=2).flatten(1)
    return (x * cos[:, :columns]).addcmul_(swapped, sin[:, :columns]).to(x.dtype)
