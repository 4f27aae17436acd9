"""A fixture of the tests that start nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.small_grid import write_config


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment that was planned and never run, to copy from."""
    from tuilab.cli.experiments import make_experiment
    from tuilab.store.replan import read_config

    folder = tmp_path_factory.mktemp("planned")
    make_experiment(read_config(write_config(folder)), folder / "micro")
    return folder / "micro"
