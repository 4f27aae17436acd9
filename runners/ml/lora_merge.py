"""Merges adapters into weights in place, in PEFT's order of operations, and measures the change."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Change:
    """How far one weight moved."""

    max_abs: float
    mean_abs: float
    relative: float
    """Frobenius norm of the change over that of the weight before."""
    finite: bool


def merge(weight: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scaling: float) -> None:
    """Add scaling * B A to ``weight`` [out, in] in place: bit-equal to peft's ``merge_and_unload``.

    A float32 change added to a bfloat16 weight is summed in float32 and rounded once. Subtracting
    does not undo it; restore the pristine weight.
    """
    weight += (b @ a) * scaling


def measure(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Return [max, mean, relative, all finite] on the weights' device, float32."""
    moved = after.float() - before.float()
    relative = moved.norm() / before.float().norm().clamp_min(1e-30)
    finite = torch.isfinite(after).all().float()
    return torch.stack([moved.abs().max(), moved.abs().mean(), relative, finite])


def as_changes(measured: dict[str, torch.Tensor]) -> dict[str, Change]:
    """Bring the measurements to the host in one transfer."""
    if not measured:
        return {}
    table = torch.stack(list(measured.values())).tolist()
    return {
        name: Change(line[0], line[1], line[2], line[3] == 1.0)
        for name, line in zip(measured, table, strict=True)
    }
