"""Compares a config with this machine: libraries that are missing, GPUs that stay idle."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuilab.cli.runner_programs import INSTALL, NEEDED, is_installed
from tuilab.engine.decide.policy import policy_for
from tuilab.engine.host.gpus import look_at_devices, slots_for
from tuilab.grid.checks import Check, Level
from tuilab.grid.text import count_of

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig


@dataclass(frozen=True, slots=True)
class Places:
    """How many jobs can run at once here."""

    workers: int
    """Runner processes."""
    cards: tuple[str, ...] = ()
    """GPUs that they are on, by label; () where they run on the processor."""
    idle: tuple[str, ...] = ()
    """GPUs that could be used as well."""


def places_for(config: ExperimentConfig) -> Places:
    """Return the places that an engine would have for a config on this machine, now."""
    policy = policy_for(config.resources.model_dump(mode="json"), [config.base.device])
    visible, devices = os.environ.get("CUDA_VISIBLE_DEVICES"), look_at_devices()
    slots = slots_for(policy, visible, devices)
    known = {device.label for device in devices}
    most = slots_for(replace(policy, workers=len(devices)), visible, devices)
    cards = tuple(dict.fromkeys(slot.device for slot in slots if slot.device))
    might = tuple(slot.device for slot in most if slot.device in known and slot.device)
    return Places(len(slots), cards, tuple(card for card in might if card not in cards))


def machine_checks(
    config: ExperimentConfig,
    has: Callable[[str], bool] = is_installed,
    places: Places | None = None,
) -> tuple[Check, ...]:
    """Return what this machine lacks for the config; warnings, since it may run elsewhere."""
    here = places_for(config) if places is None else places
    found = [*_lacking(config, has), *_unused(config.resources.workers, here)]
    return tuple(Check(name, Level.WARNING, sentence) for name, sentence in found)


def _unused(workers: int, places: Places) -> Iterator[tuple[str, str]]:
    if places.idle:
        all_of_them = len(places.cards) + len(places.idle)
        named = f"GPU{'s' * (len(places.idle) > 1)} {', '.join(places.idle)}"
        yield (
            "workers",
            f"resources.workers = {workers} leaves {named} idle: {all_of_them} uses all",
        )
    elif places.cards and workers > places.workers:
        count = len(places.cards)
        yield (
            "workers",
            f"resources.workers = {workers}, but {count_of(count, 'GPU')} can run only "
            f"{count_of(places.workers, 'job')} at a time",
        )


def _lacking(config: ExperimentConfig, has: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    if absent := [name for name in NEEDED if not has(name)]:
        yield (
            "runners",
            f"{', '.join(absent)} not installed: this can be planned here but not run: {INSTALL}",
        )
    if config.eval.sampler == "vllm" and not has("vllm"):
        yield (
            "sampler",
            'eval.sampler is "vllm", which is not installed here, so every eval would fail: '
            "pip install 'tuilab[gpu]'",
        )
    if config.tracker.kind == "wandb" and not has("wandb"):
        yield (
            "tracker",
            'tracker.kind is "wandb", which is not installed here, so nothing is copied there '
            "(`tuilab track refill` does it later): pip install 'tuilab[wandb]'",
        )
