"""Linear layers that read the same input, with their LoRA adapters, as one matrix product."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import nn

from runners.fast.torch_ops import Copy


@dataclass(frozen=True, slots=True)
class LoraFactors:
    """One adapter of one linear layer: out += scale * B (A x)."""

    a: nn.Parameter
    """[r, in]."""
    b: nn.Parameter
    """[out, r]."""
    scale: float
    rows: slice
    """The outputs of the fused layer that it adds to."""
    ranks: slice
    """Its ranks among all ranks of the fused layer."""

    @property
    def is_trained(self) -> bool:
        """False for a frozen adapter."""
        return self.a.requires_grad


class FusedLoraLinear:
    """Linear layers with a common input of k numbers and n outputs together, R adapter ranks.

    ``weight`` is ``[[W, B], [scale A, 0]]`` of shape [n + R, k + R]; while this lives, the layers'
    own weights are views into it. x and the result are read and written once, and the gradients of
    trained adapters are added where the optimiser reads them.

    An input may have R pad columns, which are overwritten: it is then widened without a copy. With
    ``pads_output`` the result has R pad columns.
    """

    def __init__(self, layers: Sequence[nn.Module], pads_output: bool = False) -> None:
        self._pads_output = pads_output
        self._linears = [_linear(layer) for layer in layers]
        self.adapters = list(_adapters(layers))
        self.rank = sum(lora.a.shape[0] for lora in self.adapters)
        first = self._linears[0].weight
        self.inputs = first.shape[1]
        self.outputs = sum(linear.out_features for linear in self._linears)
        self.weight = first.new_zeros((self.outputs + self.rank, self.inputs + self.rank))
        self._share_weights()
        self.bias = _joint_bias(self._linears)
        self.trained = [lora for lora in self.adapters if lora.is_trained]
        like = self.trained[0].a if self.trained else first
        self._grad_a = torch.zeros(
            self.rank if self.trained else 0, self.inputs, dtype=like.dtype, device=first.device
        )
        self._grad_b = {lora.b: torch.zeros_like(lora.b) for lora in self.trained}
        self._equal_scales = list(_equal_scales(self.trained))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Map [t, k] or [t, k + R] to [t, n], or to [t, n + R] with ``pads_output``."""
        if self.trained and torch.is_grad_enabled():
            anchor = x if x.requires_grad else x.new_empty(0).requires_grad_()
            out: torch.Tensor = _FusedLora.apply(x, anchor, self)
            return out
        return self.forward(x)[0]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the result and scale A x, [t, R]."""
        return fused_linear(x, self.weight.T, self.rank, self.bias, self._pads_output)

    def holder_of(self, low: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the tensor that has ``low`` as its last columns: autograd saves no views."""
        if _widens_input(x, self.inputs, self.outputs):
            return x if x.shape[1] > self.inputs else low
        return y if self._pads_output else low

    def copies(self) -> Iterator[Copy]:
        """Yield (adapter weight, its block of ``weight``, factor): due after every change."""
        for lora in self.adapters:
            row = slice(self.outputs + lora.ranks.start, self.outputs + lora.ranks.stop)
            column = slice(self.inputs + lora.ranks.start, self.inputs + lora.ranks.stop)
            yield lora.a.detach(), self.weight[row, : self.inputs], lora.scale
            yield lora.b.detach(), self.weight[lora.rows, column], 1.0

    def gradients(self) -> Iterator[tuple[nn.Parameter, torch.Tensor]]:
        """Yield each trained weight with the memory that its gradient is added to."""
        for lora in self.trained:
            yield lora.a, self._grad_a[lora.ranks]
            yield lora.b, self._grad_b[lora.b]

    def release(self) -> None:
        """Give the layers their own memory again, with the weights they have now."""
        for linear in self._linears:
            linear.weight.data = linear.weight.data.clone(memory_format=torch.contiguous_format)

    def add_gradients(
        self, x: torch.Tensor, low: torch.Tensor, d_out: torch.Tensor, d_low: torch.Tensor
    ) -> None:
        """Add the gradients of one backward pass; x and d_out may have pad columns."""
        x = x[:, : self.inputs]
        for ranks, scale in self._equal_scales:
            add_product(self._grad_a[ranks], d_low[:, ranks].T, x, scale)
        for lora in self.trained:
            add_product(self._grad_b[lora.b], d_out[:, lora.rows].T, low[:, lora.ranks])

    def _share_weights(self) -> None:
        start = 0
        for linear in self._linears:
            view = self.weight[start : start + linear.out_features, : self.inputs]
            view.copy_(linear.weight.data)
            linear.weight.data = view
            start += linear.out_features


def fused_linear(
    x: torch.Tensor,
    m: torch.Tensor,
    rank: int,
    bias: torch.Tensor | None = None,
    pads_output: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x W + (x P) Q + bias and x P, where m is ``[[W, P], [Q, 0]]``.

    The smaller side of the product is widened: either [x, xP] meets [W; Q], or x meets [W, P] and
    (xP) Q is added to the result. x may have ``rank`` pad columns, which are overwritten; with
    ``pads_output`` the result has them.
    """
    inputs, outputs = m.shape[0] - rank, m.shape[1] - rank
    if _widens_input(x, inputs, outputs):
        joint, low = _widened(x, m[:inputs, outputs:])
        out = x.new_empty(len(x), outputs + rank if pads_output else outputs)
        _affine(joint, m[:, :outputs], bias, out[:, :outputs])
        return out, low
    both = x[:, :inputs] @ m[:inputs]
    y, low = both[:, :outputs], both[:, outputs:]
    if rank:
        y.addmm_(low, m[inputs:, :outputs])
    if bias is not None:
        y.add_(bias)
    return (both, low) if pads_output else (y, low.contiguous())


def _widens_input(x: torch.Tensor, inputs: int, outputs: int) -> bool:
    """Of equal sides the input is widened only where it has pad columns: its copy costs more."""
    return inputs < outputs or (inputs == outputs and x.shape[1] > inputs)


def _widened(x: torch.Tensor, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return [x, x p] and x p; without a copy where x has pad columns."""
    inputs, rank = p.shape
    if not rank:
        return x, x[:, :0]
    if x.shape[1] == inputs:
        low = x @ p
        return torch.cat((x, low), dim=1), low
    low = x[:, inputs:]
    torch.mm(x[:, :inputs], p, out=low)
    return x, low


def _affine(x: torch.Tensor, m: torch.Tensor, bias: torch.Tensor | None, out: torch.Tensor) -> None:
    if bias is None:
        torch.mm(x, m, out=out)
    else:
        torch.addmm(bias, x, m, out=out)


class _FusedLora(torch.autograd.Function):
    """Passes the gradient on to the input, and adds the adapters' to their memory.

    ``_anchor`` makes autograd call backward when the input needs no gradient. It is never a weight:
    autograd ties a leaf to the stream it was first used on, which a capture must not wait for.
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, _anchor: torch.Tensor, linear: FusedLoraLinear
    ) -> torch.Tensor:
        y, low = linear.forward(x)
        ctx.save_for_backward(x, linear.holder_of(low, x, y))
        ctx.linear = linear
        return y

    @staticmethod
    def backward(ctx: Any, d_out: torch.Tensor) -> tuple[Any, ...]:
        (x, holder), linear = ctx.saved_tensors, ctx.linear
        low = holder[:, -linear.rank :]
        if ctx.needs_input_grad[0]:
            has_pad = x.shape[1] > linear.inputs
            d_x, d_low = fused_linear(d_out, linear.weight, linear.rank, pads_output=has_pad)
        else:
            d_x = None
            d_low = d_out[:, : linear.outputs] @ linear.weight[: linear.outputs, linear.inputs :]
        linear.add_gradients(x, low, d_out, d_low)
        return d_x, None, None


def add_product(
    out: torch.Tensor, left: torch.Tensor, right: torch.Tensor, scale: float = 1.0
) -> None:
    """out += scale * left right, summed over all tokens in out's precision."""
    if left.is_cuda and left.dtype != out.dtype:
        torch.addmm(out, left, right, out_dtype=out.dtype, alpha=scale, out=out)
    else:
        out.addmm_(left.to(out.dtype), right.to(out.dtype), alpha=scale)


def _equal_scales(adapters: Sequence[LoraFactors]) -> Iterator[tuple[slice, float]]:
    """Join neighbouring ranks of equal scale: one product serves them all."""
    for scale, some in itertools.groupby(adapters, key=lambda lora: lora.scale):
        start = stop = -1
        for lora in some:
            if lora.ranks.start != stop:
                if stop > 0:
                    yield slice(start, stop), scale
                start = lora.ranks.start
            stop = lora.ranks.stop
        yield slice(start, stop), scale


def _linear(layer: nn.Module) -> nn.Linear:
    found: Any = layer.get_base_layer() if isinstance(layer, LoraLinear) else layer
    assert isinstance(found, nn.Linear), f"{type(found)} is not a linear layer"
    return found


def _adapters(layers: Sequence[nn.Module]) -> Iterator[LoraFactors]:
    row = rank = 0
    for layer in layers:
        rows = slice(row, row + _linear(layer).out_features)
        row = rows.stop
        tuned: Any = layer
        for name in tuned.active_adapters if isinstance(layer, LoraLinear) else ():
            if name not in tuned.lora_A:
                continue
            a, b = tuned.lora_A[name].weight, tuned.lora_B[name].weight
            ranks = slice(rank, rank + a.shape[0])
            rank = ranks.stop
            yield LoraFactors(a, b, tuned.scaling[name], rows, ranks)


def _joint_bias(linears: Sequence[nn.Linear]) -> torch.Tensor | None:
    if all(linear.bias is None for linear in linears):
        return None
    return torch.cat(
        [
            linear.weight.new_zeros(linear.out_features)
            if linear.bias is None
            else linear.bias.data
            for linear in linears
        ]
    )
