"""Times merging an adapter into the weights, and restoring them."""

from __future__ import annotations

from typing import Any

import torch

from runners.bench import clock
from runners.bench.subject import MODULES, Subject
from runners.ml import lora_merge


def measure(subject: Subject) -> dict[str, Any]:
    """Return the seconds to merge one adapter and to restore the pristine weights."""
    weights = [
        module.weight.data
        for name, module in subject.model.named_modules()
        if name.rsplit(".", 1)[-1] in MODULES
    ]
    adapters = [_adapter(weight, subject.work.rank) for weight in weights]
    pristine = [weight.clone() for weight in weights]

    def merge() -> None:
        for weight, (a, b) in zip(weights, adapters, strict=True):
            lora_merge.merge(weight, a, b, 2.0)

    def restore() -> None:
        for weight, kept in zip(weights, pristine, strict=True):
            weight.copy_(kept)

    merged, restored = (clock.seconds(work, subject.device, repeats=5) for work in (merge, restore))
    same = all(torch.equal(w, kept) for w, kept in zip(weights, pristine, strict=True))
    found: dict[str, Any] = {
        "merge_s": merged,
        "restore_s": restored,
        "bytes": sum(weight.nbytes for weight in weights),
        "restored_exactly": same,
    }
    if subject.device.type == "cuda":
        found["restore_from_host_s"] = _from_host(weights, pristine, subject.device)
    return found


def _adapter(weight: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    rows, columns = weight.shape
    return (
        torch.randn(rank, columns, device=weight.device) * 0.01,
        torch.randn(rows, rank, device=weight.device) * 0.001,
    )


def _from_host(
    weights: list[torch.Tensor], pristine: list[torch.Tensor], device: torch.device
) -> float:
    """Restore the first layer from pinned host memory and scale up to all layers."""
    few = len(MODULES)
    on_host = [kept.cpu().pin_memory() for kept in pristine[:few]]

    def restore() -> None:
        for weight, kept in zip(weights[:few], on_host, strict=True):
            weight.copy_(kept, non_blocking=True)

    share = sum(w.nbytes for w in weights[:few]) / sum(w.nbytes for w in weights)
    return clock.seconds(restore, device, repeats=3) / share
