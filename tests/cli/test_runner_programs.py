"""What needs the runners says so before it starts anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuilab.cli import runner_programs
from tuilab.cli.errors import RefusalError
from tuilab.cli.runner_programs import (
    OURS,
    ask,
    how_to_install,
    refuse_without_libraries,
    refuse_without_workers,
)
from tuilab.grid.resource_config import Resources


def test_a_missing_library_is_one_sentence_with_the_extra_to_install() -> None:
    with pytest.raises(RefusalError) as refused:
        refuse_without_libraries("the demo", ("json", "no_such_library"))
    assert str(refused.value) == (
        f"the demo needs no_such_library, not installed here: {how_to_install()}"
    )


def test_the_extra_is_installed_for_this_python_whatever_pip_a_shell_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    monkeypatch.setattr(runner_programs.sys, "executable", str(python))
    assert how_to_install("gpu") == f"{python} -m pip install 'tuilab[gpu]'"
    (tmp_path / "bin" / "pip").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert how_to_install("gpu") == "pip install 'tuilab[gpu]'"


def test_only_the_runners_that_come_with_tuilab_need_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner_programs.importlib.util, "find_spec", lambda name: None)
    refuse_without_workers({"runner": ["/usr/bin/my-runner"]})
    for resources in ({}, {"runner": list(OURS)}):
        with pytest.raises(RefusalError, match="running a grid needs torch"):
            refuse_without_workers(resources)


def test_the_usual_runner_of_a_config_is_the_one_that_is_checked() -> None:
    assert Resources().runner == OURS


def test_a_program_that_is_missing_or_silent_is_one_sentence() -> None:
    assert ask("runners.no_such_program").why_not == "runners.no_such_program is not installed"
    assert ask("this").why_not == "this gave no answer (no output)"
