"""Holds a config against this machine: which libraries it asks for that are not installed here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tuilab.cli.runner_modules import INSTALL, NEEDED, is_installed
from tuilab.grid.checks import Check, Level

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig


def machine_checks(
    config: ExperimentConfig, has: Callable[[str], bool] = is_installed
) -> tuple[Check, ...]:
    """Return what this machine lacks for the config; warnings, since it may run elsewhere."""
    return tuple(Check(name, Level.WARNING, sentence) for name, sentence in _lacking(config, has))


def _lacking(config: ExperimentConfig, has: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    if absent := [name for name in NEEDED if not has(name)]:
        yield "runners", f"{', '.join(absent)} missing: planned here, it cannot run here: {INSTALL}"
    if config.eval.sampler == "vllm" and not has("vllm"):
        yield (
            "sampler",
            'eval.sampler is "vllm", which is not installed here: every eval would fail: '
            "pip install 'tuilab[gpu]'",
        )
    if config.tracker.kind == "wandb" and not has("wandb"):
        yield (
            "tracker",
            'tracker.kind is "wandb", which is not installed here: runs go on without a copy there '
            "(`tuilab track refill` makes up for it): pip install 'tuilab[wandb]'",
        )
