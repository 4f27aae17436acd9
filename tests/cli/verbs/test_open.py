"""Where ``e`` on a plot writes: into the experiment, or where a run of its name would lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuilab.cli.verbs.open import _export_figure
from tuilab.store.shipped import published_dir


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """The folders that figures are written into; drawing them is tested elsewhere."""
    folders: list[Path] = []

    def save(figure: object, folder: Path) -> list[Path]:
        folders.append(folder)
        return []

    monkeypatch.setattr("tuilab.report.figure_files.save_figure", save)
    monkeypatch.chdir(tmp_path)
    return folders


def test_a_figure_goes_into_its_experiment(written: list[Path], tmp_path: Path) -> None:
    _export_figure(tmp_path, None)  # type: ignore[arg-type]
    assert written == [tmp_path / "figures"]


def test_a_figure_of_the_shipped_numbers_goes_into_the_runs_folder(written: list[Path]) -> None:
    _export_figure(published_dir(), None)  # type: ignore[arg-type]
    assert written == [Path("runs/published/figures")]
