"""Commands that are shown work as typed, wherever the program was started from."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tuilab.store import program_name as module
from tuilab.store.program_name import called_as


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / ".venv" / "bin" / "tuilab"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    return path


def test_what_the_shell_finds_is_called_by_its_name(script: Path, tmp_path: Path) -> None:
    search = f"/nowhere:{script.parent}"
    assert called_as(str(script), search, tmp_path) == "tuilab"
    assert called_as(".venv/bin/tuilab", search, tmp_path) == "tuilab"


def test_what_the_shell_does_not_find_is_called_by_its_path(script: Path, tmp_path: Path) -> None:
    for started in (str(script), ".venv/bin/tuilab"):
        assert called_as(started, "/nowhere", tmp_path) == ".venv/bin/tuilab"
    assert called_as(str(script), "/nowhere", Path("/")) == str(script)[1:]
    assert called_as(str(script), "/nowhere", script.parent) == "./tuilab"
    assert called_as(str(script), "/nowhere", tmp_path / "elsewhere") == str(script)


def test_another_tuilab_on_the_path_is_not_this_one(script: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "tuilab"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    assert called_as(str(script), str(other.parent), tmp_path) == ".venv/bin/tuilab"


def test_a_module_is_called_by_its_interpreter(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = script.with_name("python")
    python.symlink_to(Path(sys.executable).resolve())
    monkeypatch.setattr(sys, "executable", str(python))
    started = str(Path(module.__file__).parents[1] / "__main__.py")
    assert called_as(started, "", tmp_path) == ".venv/bin/python -m tuilab"
    assert called_as(started, str(script.parent), tmp_path) == "tuilab"
