"""Linear maps that read the same input, with their adapters, as one matrix; and its gradients."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import nn


@dataclass(frozen=True, slots=True)
class LowRank:
    """One adapter of one linear map: out += scale * B (A x)."""

    a: nn.Parameter
    """[r, in]."""
    b: nn.Parameter
    """[out, r]."""
    scale: float
    rows: slice
    """Which outputs of the group it adds to."""
    ranks: slice
    """Its place among all ranks of the group."""

    @property
    def is_trained(self) -> bool:
        """False for an adapter that is only carried along."""
        return self.a.requires_grad


class Group:
    """Linear maps with a common input of k numbers and n outputs together, R adapter ranks.

    ``wide`` is ``[[W, B], [scale A, 0]]`` of shape [n + R, k + R]; while the group lives, the
    layers' own weights are views into it. x and the result are read and written once, and the
    gradients of trained adapters are added where the optimiser reads them.

    An input may have R spare columns behind its own, which are overwritten: it then need not be
    copied to be widened. With ``roomy`` the result has R such columns.
    """

    def __init__(self, layers: Sequence[nn.Module], roomy: bool = False) -> None:
        self._roomy = roomy
        self._linears = [_linear(layer) for layer in layers]
        self.adapters = list(_adapters(layers))
        self.rank = sum(one.a.shape[0] for one in self.adapters)
        first = self._linears[0].weight
        self.inputs = first.shape[1]
        self.outputs = sum(linear.out_features for linear in self._linears)
        shape = (self.outputs + self.rank, self.inputs + self.rank)
        self.wide = first.new_zeros(shape)
        self._adopt()
        self.bias = _joint_bias(self._linears)
        self.trained = [one for one in self.adapters if one.is_trained]
        make = {"dtype": self.trained[0].a.dtype, "device": first.device} if self.trained else {}
        self._grad_a = torch.zeros(self.rank if self.trained else 0, self.inputs, **make)
        self._runs = list(_runs(self.trained))
        self._grad_b = {one.b: torch.zeros_like(one.b) for one in self.trained}

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Map [t, k] or [t, k + R] to [t, n], or to [t, n + R] when roomy."""
        out: torch.Tensor
        if self.trained and torch.is_grad_enabled():
            asks = x if x.requires_grad else x.new_empty(0).requires_grad_()
            out = _Through.apply(x, asks, self)
            return out
        return self.forward(x)[0]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the result, and the inputs of the second halves of the adapters, [t, R]."""
        return through(x, self.wide.T, self.rank, self.bias, self._roomy)

    def holder_of(self, low: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the tensor that has ``low`` as its last columns: autograd keeps no views."""
        if _widens_input(x, self.inputs, self.outputs):
            return x if x.shape[1] > self.inputs else low
        return y if self._roomy else low

    def copies(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, float]]:
        """Yield (adapter weight, its place in ``wide``, factor): to be made after every change."""
        for one in self.adapters:
            inside = slice(self.outputs + one.ranks.start, self.outputs + one.ranks.stop)
            beside = slice(self.inputs + one.ranks.start, self.inputs + one.ranks.stop)
            yield one.a.detach(), self.wide[inside, : self.inputs], one.scale
            yield one.b.detach(), self.wide[one.rows, beside], 1.0

    def gradients(self) -> Iterator[tuple[nn.Parameter, torch.Tensor]]:
        """Yield each trained weight with the memory that its gradient is added to."""
        for one in self.trained:
            yield one.a, self._grad_a[one.ranks]
            yield one.b, self._grad_b[one.b]

    def release(self) -> None:
        """Give the layers weights of their own again, with the values they have now."""
        for linear in self._linears:
            linear.weight.data = linear.weight.data.clone(memory_format=torch.contiguous_format)

    def add_gradients(
        self, x: torch.Tensor, low: torch.Tensor, grad: torch.Tensor, grad_low: torch.Tensor
    ) -> None:
        """Add what one backward pass found; x and grad may have spare columns."""
        x = x[:, : self.inputs]
        for ranks, scale in self._runs:
            add_product(self._grad_a[ranks], grad_low[:, ranks].T, x, scale)
        for one in self.trained:
            add_product(self._grad_b[one.b], grad[:, one.rows].T, low[:, one.ranks])

    def _adopt(self) -> None:
        start = 0
        for linear in self._linears:
            own = self.wide[start : start + linear.out_features, : self.inputs]
            own.copy_(linear.weight.data)
            linear.weight.data = own
            start += linear.out_features


def through(
    x: torch.Tensor,
    m: torch.Tensor,
    rank: int,
    bias: torch.Tensor | None = None,
    roomy: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x W + (x P) Q + bias and x P, where m is ``[[W, P], [Q, 0]]``.

    The smaller side of the product is the one that is widened: either [x, xP] meets [W; Q], or x
    meets [W, P] and the rest is added to the result. x may have ``rank`` spare columns, which are
    overwritten; when ``roomy``, the result has.
    """
    inputs, outputs = m.shape[0] - rank, m.shape[1] - rank
    if _widens_input(x, inputs, outputs):
        joint, low = _widened(x, m[:inputs, outputs:])
        out = x.new_empty(len(x), outputs + rank if roomy else outputs)
        _affine(joint, m[:, :outputs], bias, out[:, :outputs])
        return out, low
    both = x[:, :inputs] @ m[:inputs]
    y, low = both[:, :outputs], both[:, outputs:]
    if rank:
        y.addmm_(low, m[inputs:, :outputs])
    if bias is not None:
        y.add_(bias)
    return (both, low) if roomy else (y, low.contiguous())


def _widens_input(x: torch.Tensor, inputs: int, outputs: int) -> bool:
    """Of equal sides the input is widened only where it has room: its copy costs more."""
    return inputs < outputs or (inputs == outputs and x.shape[1] > inputs)


def _widened(x: torch.Tensor, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return [x, x p] and x p; without a copy where x has room for it."""
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


class _Through(torch.autograd.Function):
    """The gradient goes on to the input, and into the adapters' memory.

    ``_asks`` makes autograd come by here when the input needs no gradient. It is never a weight:
    autograd ties a leaf to the stream it was first used on, which a recording may not wait for.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, _asks: torch.Tensor, group: Group) -> torch.Tensor:
        y, low = group.forward(x)
        ctx.save_for_backward(x, group.holder_of(low, x, y))
        ctx.group = group
        return y

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
        (x, behind), group = ctx.saved_tensors, ctx.group
        low = behind[:, -group.rank :]
        if ctx.needs_input_grad[0]:
            has_room = x.shape[1] > group.inputs
            grad_x, grad_low = through(grad, group.wide, group.rank, roomy=has_room)
        else:
            grad_x, grad_low = (
                None,
                grad[:, : group.outputs] @ group.wide[: group.outputs, group.inputs :],
            )
        group.add_gradients(x, low, grad, grad_low)
        return grad_x, None, None


def add_product(
    out: torch.Tensor, left: torch.Tensor, right: torch.Tensor, scale: float = 1.0
) -> None:
    """out += scale * left right, summed over all tokens in out's own precision."""
    if left.is_cuda and left.dtype != out.dtype:
        torch.addmm(out, left, right, out_dtype=out.dtype, alpha=scale, out=out)
    else:
        out.addmm_(left.to(out.dtype), right.to(out.dtype), alpha=scale)


def _runs(adapters: Sequence[LowRank]) -> Iterator[tuple[slice, float]]:
    """Join neighbouring ranks of equal scale: one product serves them all."""
    for scale, some in itertools.groupby(adapters, key=lambda one: one.scale):
        start = stop = -1
        for one in some:
            if one.ranks.start != stop:
                if stop > 0:
                    yield slice(start, stop), scale
                start = one.ranks.start
            stop = one.ranks.stop
        yield slice(start, stop), scale


def _linear(layer: nn.Module) -> nn.Linear:
    found: Any = layer.get_base_layer() if isinstance(layer, LoraLinear) else layer
    assert isinstance(found, nn.Linear), f"{type(found)} is not a linear layer"
    return found


def _adapters(layers: Sequence[nn.Module]) -> Iterator[LowRank]:
    row = rank = 0
    for layer in layers:
        rows = slice(row, row + _linear(layer).out_features)
        row = rows.stop
        for name in layer.active_adapters if isinstance(layer, LoraLinear) else ():
            if name not in layer.lora_A:
                continue
            a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
            ranks = slice(rank, rank + a.shape[0])
            rank = ranks.stop
            yield LowRank(a, b, layer.scaling[name], rows, ranks)


def _joint_bias(linears: Sequence[nn.Linear]) -> torch.Tensor | None:
    if all(linear.bias is None for linear in linears):
        return None
    none = [linear.weight.new_zeros(linear.out_features) for linear in linears]
    return torch.cat(
        [
            zero if linear.bias is None else linear.bias.data
            for linear, zero in zip(linears, none, strict=True)
        ]
    )
