"""Compares a config with this machine: libraries that are missing, GPUs that stay idle."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tuilab.cli.errors import USAGE, RefusalError
from tuilab.cli.runner_programs import NEEDED, OURS, how_to_install, is_installed
from tuilab.engine.decide.policy import policy_for
from tuilab.engine.host.gpus import look_at_devices, slots_for
from tuilab.engine.places import why_no_place
from tuilab.grid.checks import Check, Level
from tuilab.grid.rates import CARDS, H200, Card, Rates, card_named, parameters, rates_for
from tuilab.grid.text import count_of
from tuilab.store.base_model import base_shape

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig


_LARGE = 1e9
"""Weights from which a base is not left to the processor unless somebody says so."""


@dataclass(frozen=True, slots=True)
class Places:
    """How many jobs can run at once here."""

    workers: int
    """Runner processes."""
    cards: tuple[str, ...] = ()
    """GPUs that they are on, by label; () where they run on the processor."""
    idle: tuple[str, ...] = ()
    """GPUs that could be used as well."""
    kind: str = field(default="", compare=False)
    """What the driver calls the first of the cards in use."""


def places_for(config: ExperimentConfig) -> Places:
    """Return the places that an engine would have for a config on this machine, now."""
    policy = policy_for(config.resources.model_dump(mode="json"), [config.base.device])
    visible, devices = os.environ.get("CUDA_VISIBLE_DEVICES"), look_at_devices()
    slots = slots_for(policy, visible, devices)
    known = {device.label for device in devices}
    most = slots_for(replace(policy, workers=len(devices)), visible, devices)
    cards = tuple(dict.fromkeys(slot.device for slot in slots if slot.device))
    might = tuple(slot.device for slot in most if slot.device in known and slot.device)
    kind = next((device.name for device in devices if device.label in cards[:1]), "")
    return Places(len(slots), cards, tuple(card for card in might if card not in cards), kind)


def pace_of(config: ExperimentConfig, places: Places, on: str = "") -> Rates:
    """Return how fast the config's base is worked on here, or on the kind of GPU that is named.

    A machine without the GPU that the config wants is quoted an H200, as is a card that nobody
    here knows. Raises RefusalError for an ``on`` that is unknown or not used.
    """
    card: Card | None = H200
    if config.base.device == "cpu":
        if on:
            raise RefusalError('--on: base.device is "cpu", so no GPU is used', USAGE)
        card = None
    elif on:
        card = _named(on)
    elif places.cards:
        card = card_named(places.kind) or H200._replace(name=f"{places.kind}, taken for an H200")
    elif not (why_no_gpu(config) or is_elsewhere(config)):
        card = None
    return rates_for(base_shape(config), card, config.resources.threads or os.cpu_count() or 1)


def _named(on: str) -> Card:
    if (card := card_named(on)) is None:
        known = ", ".join(card.name for card in CARDS)
        raise RefusalError(f"--on: no times are known for a GPU {on!r}; known are {known}", USAGE)
    return card


def is_elsewhere(config: ExperimentConfig) -> bool:
    """Whether a scheduler gives the workers other machines than this one."""
    return config.resources.executor != "local"


def why_no_gpu(config: ExperimentConfig) -> str:
    """Say that a config wants a GPU and this machine has none; "" where it has, or needs none."""
    base = config.base
    if config.is_synthetic or base.device == "cpu" or is_elsewhere(config) or look_at_devices():
        return ""
    if base.device == "cuda":
        return 'base.device is "cuda" and this machine has no GPU'
    shape = base_shape(config)
    if shape.weights < _LARGE:
        return ""
    what = f"a base of {parameters(shape.weights)} parameters" if shape.is_known else base.model
    return (
        f"this machine has no GPU for {what}. Run it where there is one, or set "
        'base.device = "cpu", which is slow'
    )


def refuse_without_gpu(config: ExperimentConfig, on: str = "") -> None:
    """Raise RefusalError where the workers would find no GPU; ``on``: where else they run."""
    if config.resources.runner != OURS or on not in ("", "local"):
        return
    if why := why_no_gpu(config):
        raise RefusalError(f"{config.name}: {why}\nnothing was started", USAGE)


def machine_checks(
    config: ExperimentConfig,
    has: Callable[[str], bool] = is_installed,
    places: Places | None = None,
) -> tuple[Check, ...]:
    """Return what this machine lacks for the config; warnings, since it may run elsewhere."""
    here = places_for(config) if places is None else places
    found = [*_lacking(config, has), *_unset(config), *_unused(config.resources.workers, here)]
    if why := why_no_gpu(config):
        found.append(("gpu", f"`run` would refuse: {why}"))
    if why := why_no_place(config.resources.model_dump(mode="json")):
        found.append(("place", f"`run` would refuse: {why}"))
    return tuple(Check(name, Level.WARNING, sentence) for name, sentence in found)


def _unset(config: ExperimentConfig) -> Iterator[tuple[str, str]]:
    for one in config.measures:
        name = one.judge.key_env if one.kind == "judge" else None
        if name and not os.environ.get(name):
            yield "judge", f"{name} is not set here: {one.name} cannot be judged without that key"


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
            f"{', '.join(absent)} not installed: this can be planned here but not run: "
            f"{how_to_install()}",
        )
    if config.eval.sampler == "vllm" and not has("vllm"):
        yield (
            "sampler",
            'eval.sampler is "vllm", which is not installed here, so every eval would fail: '
            f"{how_to_install('gpu')}",
        )
    if any(one.kind == "inspect" for one in config.measures) and not has("inspect_ai"):
        yield (
            "inspect",
            "a measure is a task of Inspect AI, which is not installed here: "
            f"{how_to_install('inspect')}",
        )
    if config.tracker.kind == "wandb" and not has("wandb"):
        yield (
            "tracker",
            'tracker.kind is "wandb", which is not installed here, so nothing is copied there '
            f"(`tuilab track refill` does it later): {how_to_install('wandb')}",
        )
