"""Names the settings of a config that look like a secret: plan and specs repeat them on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tuilab.contract.foreign import redact_all
from tuilab.grid.checks import Check, Level
from tuilab.grid.text import list_of

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig


def secret_checks(config: ExperimentConfig) -> Iterator[Check]:
    """Warn of settings that look like a token, key or password; never show one."""
    if names := list(_secrets("", config.model_dump(mode="json"))):
        yield Check(
            "secrets",
            Level.WARNING,
            f"{list_of(names, 4)} looks like a secret, and plan.json and every spec would repeat "
            "it: pass it to the runners in the environment",
        )


def _secrets(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _secrets(f"{key}.{name}" if key else str(name), one)
    elif redact_all(value) != value:
        yield key
