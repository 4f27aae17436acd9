"""Completion in shells: directories, cells, metrics and config keys; it never fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.small_grid import SOURCE, call
from tests.copies import old_demo
from tuilab.cli import complete


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old_demo(tmp_path / "runs" / "demo")
    (tmp_path / "mine.toml").write_text("")
    monkeypatch.chdir(tmp_path)


def test_experiments_are_completed_by_path_and_by_name() -> None:
    assert complete.experiments("ru") == ["runs/demo"]
    assert complete.experiments("de") == ["demo"]
    assert complete.experiments("pub") == ["published"]
    assert complete.experiments_or_configs("min") == ["mine.toml"]
    assert "eps109" in complete.experiments_or_configs("eps")


def test_cells_are_those_of_the_experiment_that_was_named() -> None:
    typed = SimpleNamespace(params={"directory": "demo"})
    assert {"villain@*", "villain@4"} <= set(complete.cells(typed, "vil"))
    assert "*@4" in complete.cells(typed, "*")
    assert complete.cells(SimpleNamespace(params={"directory": "nowhere"}), "") == []


def test_metrics_and_settings_are_completed() -> None:
    assert complete.metrics("lea") == ["leakage"]
    assert "marker.lr=" in complete.settings("marker.")
    assert complete.settings("nothing") == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        # bash cuts words at @ and replaces what stands behind the last cut.
        (("relaunch", "demo", "villain", "@"), ["@*", "@0", "@1", "@2", "@4"]),
        (("relaunch", "demo", "villain", "@", "4"), ["4"]),
        (("accept", "demo", "villain", "@", "4"), ["4"]),
        (("logs", "demo", "villain@4"), ["villain@4"]),
        (("export", "demo", "villain@4"), ["villain@4"]),
    ],
)
def test_bash_gets_them(words: tuple[str, ...], found: list[str], tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tuilab"],
        env={
            **os.environ,
            "PYTHONPATH": str(SOURCE),
            "_TUILAB_COMPLETE": "complete_bash",
            "COMP_WORDS": "\n".join(("tuilab", *words)),
            "COMP_CWORD": str(len(words)),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout.split() == found, told.stderr


def test_options_of_the_screen_may_stand_before_any_verb() -> None:
    assert call("--ascii", "--theme", "light", "status", "demo").exit_code == 0
    assert call("--read-only", "open", "demo").exit_code == 0
    refused = call("--read-only", "run", "demo")
    assert refused.exit_code == 2 and "no effect on this command" in refused.stderr
