"""Examples in the help, the README and the docs work on the demo."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.small_grid import SOURCE, call
from tests.copies import old_demo
from tuilab.cli.app import load
from tuilab.cli.verbs import VERBS
from tuilab.grid.cells import select
from tuilab.grid.experiment_state import job_of
from tuilab.store.replan import plan_with, read_config
from tuilab.store.shipped import configs_dir

STARTS = {"relaunch", "grow", "run"}
READS_ALL = {"report", "verify"}
"""A bundle holds files that were left out of the old demo."""
PLAN = plan_with(read_config(configs_dir() / "tiny.toml").config)


TEXTS = {
    **{name: load(name).help or "" for name in VERBS},
    **{
        page.name: page.read_text(encoding="utf-8")
        for page in (SOURCE / "README.md", *(SOURCE / "docs").glob("*.md"))
    },
}


@pytest.mark.parametrize("where", [name for name, text in TEXTS.items() if "runs/tiny" in text])
def test_cells_in_examples_are_cells_of_the_demo(where: str) -> None:
    lines = [line for line in TEXTS[where].splitlines() if "runs/tiny" in line]
    for name in re.findall(r"[\w/*]+@[\d*]+(?:#\d+)?", "\n".join(lines)):
        assert job_of(name, PLAN) or select(name, PLAN.cells), name


@pytest.mark.trial
def test_the_commands_of_the_first_hour_do_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that start work are typed in trials of their own."""
    old_demo(tmp_path / "runs" / "tiny")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```sh\n(.*?)```", TEXTS["first-hour.md"], re.DOTALL)
    lines = [line.partition("#")[0].strip() for line in "\n".join(blocks).splitlines()]
    typed = [shlex.split(line)[1:] for line in lines if line.startswith("tuilab ")]
    asked = [one for one in typed if "--dry-run" in one or one[0] not in STARTS | READS_ALL]
    assert len(asked) > 10
    for words in asked:
        assert call(*words).exit_code == 0, words
