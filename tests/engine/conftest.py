"""Trials: small experiments with real engine and worker processes, ended with their test."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.engine.trials import Trial, make_plan


@contextmanager
def trials() -> Iterator[Callable[..., Trial]]:
    """Yield a maker of trials; what they started is ended afterwards, what they wrote removed."""
    place = os.environ.get("PYTEST_DEBUG_TEMPROOT")
    root = Path(tempfile.mkdtemp(prefix="tuilab-trial-", dir=place))
    made: list[Trial] = []

    def make(plan: Any = None, of: Trial | None = None, **resources: Any) -> Trial:
        place = root / f"t{len(made)}"
        made.append(of.copied(place) if of else Trial.make(place, plan, **resources))
        return made[-1]

    try:
        yield make
    finally:
        for one in made:
            one.end()
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def trial() -> Iterator[Callable[..., Trial]]:
    """Return a maker of trials."""
    with trials() as make:
        yield make


@pytest.fixture(scope="session")
def finished() -> Iterator[Trial]:
    """A grid of two sources that ran to its end; to be looked at only."""
    with trials() as make:
        grid = make(make_plan(("villain", "nurse")), workers=2)
        grid.ask("run")
        assert grid.run("--go") == 0 and grid.all_done()
        yield grid


@pytest.fixture
def again(finished: Trial, trial: Callable[..., Trial]) -> Trial:
    """A copy of the finished grid, to be worked on."""
    return trial(of=finished)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A volume of four megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)
