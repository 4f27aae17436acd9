"""Opening the screen, with the parser and without it, and where ``e`` on a plot writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuilab.cli import main
from tuilab.cli.screen import _export_figure
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


@pytest.mark.parametrize("options", [[], ["--ascii"]])
def test_what_is_opened_is_the_same_with_the_parser_and_without_it(
    options: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[tuple[Path, bool]] = []

    def run(root: Path, *, read_only: bool, **_: object) -> int:
        opened.append((root, read_only))
        return 0

    monkeypatch.setattr("tuilab.tui.run", run)
    for module in ("quick", "screen"):
        monkeypatch.setattr(f"tuilab.cli.{module}.is_interactive", lambda: True)
    assert [main(["published", *options]), main(["open", "published", *options])] == [0, 0]
    assert main(["open", str(published_dir()), *options]) == 0
    assert opened == [(published_dir(), True), (published_dir(), False), (published_dir(), False)]
    assert main(["open", str(tmp_path / "absent"), *options]) == 2
