"""Trials: small experiments with real engine and worker processes, ended with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from trials import Trial


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Callable[..., Trial]]:
    """Return a maker of trials; whatever they started is ended afterwards."""
    made: list[Trial] = []

    def make(plan: Any = None, **resources: Any) -> Trial:
        made.append(Trial.make(tmp_path / f"t{len(made)}", plan, **resources))
        return made[-1]

    yield make
    for one in made:
        one.end()
