"""Runs sections one after another; one that fails or is too late does not affect the others."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from runners.ml.model_cache import free_memory


@dataclass(frozen=True, slots=True)
class Section:
    """One measurement."""

    name: str
    measure: Callable[[], dict[str, Any]]
    missing: str = ""
    """What it needs and has not."""


def run(
    sections: Sequence[Section],
    seconds: float,
    log: Callable[[str], None],
    keep: Callable[[dict[str, Any], dict[str, str]], None],
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return results and, for a section without one, why; ``keep`` gets both after each section."""
    found: dict[str, Any] = {}
    failed: dict[str, str] = {}
    end = time.monotonic() + seconds
    for section in sections:
        start = time.monotonic()
        if section.missing or start > end:
            failed[section.name] = section.missing or "the time was up"
            continue
        try:
            found[section.name] = section.measure()
            log(f"{section.name}: {time.monotonic() - start:.1f} s")
        except Exception as error:
            traceback.print_exc()
            failed[section.name] = f"{type(error).__name__}: {str(error).splitlines()[:1]}"
        free_memory()
        keep(found, failed)
    return found, failed
