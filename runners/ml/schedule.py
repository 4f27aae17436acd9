"""The learning rate and the rows of every optimiser step, by settings and seed."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from runners.ml.stage_settings import TrainingSettings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """One optimiser step."""

    number: int
    """From 1."""
    epoch: int
    """From 1."""
    micro_batches: tuple[tuple[int, ...], ...]
    """Row indices of each forward pass; their gradients are summed."""
    ends_epoch: bool


def steps(rows: int, settings: TrainingSettings, seed: int) -> list[Step]:
    """Return all optimiser steps; every epoch is a permutation drawn from (seed, epoch)."""
    found: list[Step] = []
    for epoch in range(1, settings.epochs + 1):
        order = list(range(rows))
        random.Random(f"{seed}/{epoch}").shuffle(order)
        batches = _chunks(order, settings.batch_size)
        groups = _chunks(batches, settings.grad_accum)
        for index, group in enumerate(groups):
            last = index == len(groups) - 1
            found.append(Step(len(found) + 1, epoch, tuple(tuple(part) for part in group), last))
    return found


def learning_rate(step: int, total: int, settings: TrainingSettings) -> float:
    """Return the rate of step ``step`` (from 1), as in transformers' schedules with warm-up.

    Source: ``transformers.optimization`` (get_cosine/linear/constant_schedule_with_warmup), whose
    counter starts at 0: with warm-up the first step has rate 0.
    """
    done, warmup = step - 1, math.ceil(total * settings.warmup_ratio)
    if done < warmup:
        return settings.lr * done / max(1, warmup)
    if settings.schedule == "constant":
        return settings.lr
    share = (done - warmup) / max(1, total - warmup)
    if settings.schedule == "linear":
        return settings.lr * max(0.0, 1.0 - share)
    return settings.lr * max(0.0, 0.5 * (1.0 + math.cos(math.pi * share)))


def _chunks(items: Sequence[T], size: int) -> list[list[T]]:
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
