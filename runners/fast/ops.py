"""Chooses the steps between the matrix products for a device: Triton, CPU or plain PyTorch."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from types import ModuleType

import torch

from runners.fast import cpu_ops, torch_ops

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ops:
    """The functions of ``torch_ops``, or faster ones that compute the same."""

    norm: Callable[..., torch.Tensor]
    add_norm: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    prepare_rope: Callable[[torch.Tensor, torch.Tensor, int], tuple[torch.Tensor, torch.Tensor]]
    """Lays cosines and sines out for ``apply_rope``, once per forward pass."""
    apply_rope: Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
    swiglu: Callable[[torch.Tensor], torch.Tensor]
    summed_loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    draw: Callable[[torch.Tensor, float], torch.Tensor]
    bit_sums: Callable[[torch.Tensor], torch.Tensor]
    copy_adapters: Callable[[Sequence[torch_ops.Copy]], Callable[[], None]]


def _of(module: ModuleType) -> Ops:
    """Return the steps of a module; those it lacks come from ``torch_ops``."""
    names = [field.name for field in fields(Ops)]
    return Ops(*(getattr(module, name, None) or getattr(torch_ops, name) for name in names))


PLAIN = _of(torch_ops)


@functools.cache
def for_device(kind: str) -> Ops:
    """Return the fastest steps for ``cpu`` or ``cuda``; plain ones where Triton does not work."""
    if kind != "cuda":
        return _of(cpu_ops) if kind == "cpu" else PLAIN
    try:
        from runners.fast import triton_ops

        found = _of(triton_ops)
        _try(found)
    except Exception as error:  # whatever is missing on this machine
        LOG.warning("training and decoding run unfused, Triton does not work here: %s", error)
        return PLAIN
    return found


@torch.enable_grad()
def _try(ops: Ops) -> None:
    """Run once; no random number is drawn, since a job may be in the middle of its own."""
    x = torch.linspace(-1, 1, 24 * 64, device="cuda", dtype=torch.bfloat16)
    x = x.view(24, 64).requires_grad_()
    total, normed = ops.add_norm(x, x, x.detach()[0], 1e-6)
    (total + normed).sum().backward()
    torch.cuda.synchronize()
