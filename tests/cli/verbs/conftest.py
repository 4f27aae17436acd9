"""Fixtures for the verbs that read results."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.ran_here import whole


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished experiment, to read only."""
    return whole(tmp_path_factory.mktemp("ran") / "x").root


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
