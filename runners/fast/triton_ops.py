"""Launches the Triton kernels between the matrix products, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import triton

from runners.fast import torch_ops
from runners.fast import triton_kernels as kernels
from runners.fast.packing import Sharing
from runners.fast.torch_ops import Copy, HeadNorms


class _AdapterCopies:
    """Copies many small matrices from float32 to bfloat16 in one kernel.

    Addresses are recorded once: all tensors must stay where they are.
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
        kernels.copy_adapters[(len(self._kept), 64)](self._table, self._sizes, self._scales, 1024)


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, eps: float, pad_columns: int
    ) -> torch.Tensor:
        normed, inv_rms = _launch_norm(None, x, None, weight, eps, pad_columns)
        ctx.save_for_backward(x, weight, inv_rms)
        return normed

    @staticmethod
    def backward(ctx: Any, d_normed: torch.Tensor) -> Any:
        x, weight, inv_rms = ctx.saved_tensors
        return _norm_gradient(x, weight, inv_rms, None, d_normed, x.shape[1]), None, None, None


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
        total = torch.empty_like(x)
        normed, inv_rms = _launch_norm(x, update, total, weight, eps, pad_columns)
        ctx.save_for_backward(total, weight, inv_rms)
        ctx.columns = update.shape[1]
        ctx.set_materialize_grads(False)
        return total, normed

    @staticmethod
    def backward(ctx: Any, d_total: torch.Tensor | None, d_normed: torch.Tensor) -> Any:
        total, weight, inv_rms = ctx.saved_tensors
        out = _norm_gradient(total, weight, inv_rms, d_total, d_normed, ctx.columns)
        return out[:, : len(weight)], out, None, None, None


def _launch_norm(
    x: torch.Tensor | None,
    update: torch.Tensor,
    total: torch.Tensor | None,
    weight: torch.Tensor,
    eps: float,
    pad_columns: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the norm of x + update and its 1 / root mean square; write the sum to ``total``."""
    rows, n = len(update), len(weight)
    normed = update.new_empty(rows, n + pad_columns)
    inv_rms = torch.empty(rows, dtype=torch.float32, device=update.device)
    kernels.add_norm[(rows,)](
        update if x is None else x, update, weight, normed if total is None else total, normed,
        inv_rms, update.stride(0), n + pad_columns, n, eps, x is not None,
        triton.next_power_of_2(n),
    )  # fmt: skip
    return normed, inv_rms


def _norm_gradient(
    total: torch.Tensor,
    weight: torch.Tensor,
    inv_rms: torch.Tensor,
    d_total: torch.Tensor | None,
    d_normed: torch.Tensor,
    columns: int,
) -> torch.Tensor:
    """Return the gradient of a norm's input, [t, columns]; pad columns are not written."""
    rows, n = len(total), len(weight)
    d_normed = _dense_columns(d_normed)
    given = d_normed if d_total is None else _dense_columns(d_total)
    out = total.new_empty(rows, columns)
    kernels.add_norm_backward[(rows,)](
        total, weight, inv_rms, given, d_normed, out, total.stride(0), given.stride(0),
        d_normed.stride(0), columns, n, d_total is not None, triton.next_power_of_2(n),
    )  # fmt: skip
    return out


class _Swiglu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate_up: torch.Tensor) -> torch.Tensor:
        rows, n = gate_up.shape[0], gate_up.shape[1] // 2
        out = gate_up.new_empty(rows, n)
        kernels.swiglu[(rows, triton.cdiv(n, 2048))](gate_up, out, gate_up.stride(0), n, 2048)
        ctx.save_for_backward(gate_up)
        return out

    @staticmethod
    def backward(ctx: Any, d_out: torch.Tensor) -> torch.Tensor:
        (gate_up,) = ctx.saved_tensors
        rows, n = d_out.shape
        d_out = _dense_columns(d_out)
        out = torch.empty((rows, 2 * n), dtype=d_out.dtype, device=d_out.device)
        kernels.swiglu_backward[(rows, triton.cdiv(n, 2048))](
            gate_up, d_out, out, gate_up.stride(0), d_out.stride(0), n, 2048
        )
        return out


class _ApplyRope(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        qkv: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        heads: int,
        kv_heads: int,
        norms: HeadNorms | None,
        sharing: Sharing | None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        tokens, width = cos.shape
        q = qkv.new_empty(tokens, heads, width)
        k, v = (qkv.new_empty(tokens, kv_heads, width) for _ in range(2))
        _launch_rope(qkv, (q, k, v), cos, sin, norms, sharing)
        ctx.norms, ctx.sharing, ctx.rows = norms, sharing, len(qkv)
        ctx.save_for_backward(cos, sin, *(() if norms is None else (qkv,)))
        return q, k, v

    @staticmethod
    def backward(ctx: Any, d_q: torch.Tensor, d_k: torch.Tensor, d_v: torch.Tensor) -> Any:
        cos, sin, *saved = ctx.saved_tensors
        d_heads = d_q.contiguous(), d_k.contiguous(), d_v.contiguous()
        d_qkv = d_q.new_empty(ctx.rows, (d_q.shape[1] + 2 * d_k.shape[1]) * d_q.shape[2])
        qkv = saved[0] if saved else d_qkv
        _launch_rope(qkv, d_heads, cos, sin, ctx.norms, ctx.sharing, d_qkv)
        return d_qkv, *[None] * 6


def _launch_rope(
    qkv: torch.Tensor,
    heads_of: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    cos: torch.Tensor,
    sin: torch.Tensor,
    norms: HeadNorms | None,
    sharing: Sharing | None,
    d_qkv: torch.Tensor | None = None,
) -> None:
    """Write q, k and v; with ``d_qkv`` they are gradients, and that is written."""
    heads, kv_heads = heads_of[0].shape[1], heads_of[1].shape[1]
    block = triton.next_power_of_2(heads + 2 * kv_heads)
    weights = (cos, cos) if norms is None else (norms.q, norms.k)
    index, again = cos, cos[:0]  # not read where nothing is shared
    if sharing is not None:
        index, again = sharing.source if d_qkv is None else sharing.first, sharing.again
    kernels.apply_rope[(len(cos) if d_qkv is None else len(d_qkv),)](
        qkv, *heads_of, cos, sin, *weights, qkv if d_qkv is None else d_qkv, index, again,
        again.shape[1], qkv.stride(0), heads, kv_heads, 0.0 if norms is None else norms.eps,
        norms is not None, d_qkv is not None, 0 if sharing is None else len(again),
        cos.shape[1] // 2, block, num_warps=8,
    )  # fmt: skip


class _SummedLoss(torch.autograd.Function):
    """Reads bfloat16 logits as float32 and writes their gradient rounded: no copies in float32."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        rows, n = logits.shape
        lse, loss = torch.empty(2, rows, dtype=torch.float32, device=logits.device)
        kernels.losses[(rows,)](logits, targets, lse, loss, n, 2048)
        ctx.save_for_backward(logits, targets, lse)
        total: torch.Tensor = loss.sum()
        return total

    @staticmethod
    def backward(ctx: Any, d_loss: torch.Tensor) -> tuple[torch.Tensor, None]:
        logits, targets, lse = ctx.saved_tensors
        rows, n = logits.shape
        out = torch.empty_like(logits)
        kernels.losses_backward[(rows, triton.cdiv(n, 2048))](
            logits, targets, lse, d_loss, out, n, 2048
        )
        return out, None


def _dense_columns(x: torch.Tensor) -> torch.Tensor:
    """The kernels take any distance between rows, but none between columns."""
    return x if x.stride(1) == 1 else x.contiguous()


def copy_adapters(copies: Sequence[Copy]) -> Callable[[], None]:
    """Return a function that makes all copies; one by one unless all are float32 to bfloat16."""
    kinds = {(source.dtype, target.dtype) for source, target, _ in copies}
    if kinds == {(torch.float32, torch.bfloat16)} and all(c[0].is_contiguous() for c in copies):
        return _AdapterCopies(copies)
    return torch_ops.copy_adapters(copies)


def norm(x: torch.Tensor, weight: torch.Tensor, eps: float, pad_columns: int = 0) -> torch.Tensor:
    """Normalise [t, n], or more columns, to [t, n + pad_columns]."""
    found: torch.Tensor = _Norm.apply(_dense_columns(x), weight, eps, pad_columns)
    return found


def add_norm(
    x: torch.Tensor, update: torch.Tensor, weight: torch.Tensor, eps: float, pad_columns: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the residual stream after ``update``, [t, n], and its norm, [t, n + pad_columns]."""
    x, update = x.contiguous(), _dense_columns(update)
    found: tuple[torch.Tensor, torch.Tensor] = _AddNorm.apply(x, update, weight, eps, pad_columns)
    return found


def apply_rope(
    qkv: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    heads: int,
    kv_heads: int,
    norms: HeadNorms | None = None,
    sharing: Sharing | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Split qkv [t, (heads + 2 kv_heads) d] into q, k and v, with RoPE on q and k.

    A head whose width is no power of two has no kernel.
    """
    if cos.shape[1] & (cos.shape[1] - 1):
        return torch_ops.apply_rope(qkv, cos, sin, heads, kv_heads, norms, sharing)
    found: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = _ApplyRope.apply(
        _dense_columns(qkv), cos.contiguous(), sin.contiguous(), heads, kv_heads, norms, sharing
    )
    return found


def summed_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Compute ``torch_ops.summed_loss`` in one reading of the logits each way."""
    found: torch.Tensor = _SummedLoss.apply(logits.contiguous(), targets)
    return found


def bit_sums(bits: torch.Tensor) -> torch.Tensor:
    """Compute ``torch_ops.bit_sums`` in one reading of the memory."""
    block = 4096
    parts = torch.empty(triton.cdiv(len(bits), block), 2, dtype=torch.int64, device=bits.device)
    kernels.bit_sums[(len(parts),)](bits, parts, len(bits), torch_ops.ODD, block)
    return parts.sum(0)


def draw(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """Draw one token per row of [b, vocabulary], [b] int64.

    Random numbers follow from one seed per row, which the device's generator gives.
    """
    rows, n = logits.shape
    seeds = torch.randint(2**63 - 1, (rows,), device=logits.device)
    tokens = torch.empty_like(seeds)
    kernels.draw[(rows,)](logits.contiguous(), seeds, tokens, n, 1 / temperature, 512)
    return tokens


def swiglu(gate_up: torch.Tensor) -> torch.Tensor:
    """Return silu(gate) * up, [t, n], of [t, 2 n]."""
    found: torch.Tensor = _Swiglu.apply(gate_up)
    return found
