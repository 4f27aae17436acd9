"""Examples in the help, the README and the docs work on the demo."""

from __future__ import annotations

import re

import pytest

from tests.cli.small_grid import SOURCE
from tuilab.cli.app import load
from tuilab.cli.verbs import VERBS
from tuilab.grid.cells import select
from tuilab.grid.experiment_state import job_of
from tuilab.store.replan import plan_with, read_config
from tuilab.store.shipped import configs_dir

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
