"""A copy can be looked at and nothing else, until it is given an id of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.cli.small_grid import call
from tests.engine.trials import make_plan
from tuilab.store.experiment import create_experiment
from tuilab.store.layout import Layout

ACTING = [
    ("run",),
    ("run", "--dry-run"),
    ("relaunch", "--failed"),
    ("stop",),
    ("pause",),
    ("resume",),
    ("queue", "--hold", "villain@0"),
    ("accept", "*", "--why", "x"),
    ("grow", "--epochs", "3"),
    ("engine-start",),
]


def test_every_verb_that_acts_refuses_a_copy_until_it_is_adopted(tmp_path: Path) -> None:
    original = create_experiment(tmp_path / "a", "", make_plan()).root
    copy = Path(shutil.copytree(original, tmp_path / "b"))
    before = sorted(copy.rglob("*"))
    for verb, *words in ACTING:
        said = call(verb, str(copy), *words)
        assert said.exit_code == 1, verb
        assert f"the original is {original}" in said.stderr, verb
        assert f"adopt-copy {copy}" in said.stderr, verb
    assert sorted(copy.rglob("*")) == before
    shown = call("status", str(copy))
    assert shown.exit_code == 0 and f"the original is {original}" in shown.stdout
    assert json.loads(call("status", str(copy), "--json").stdout)["copy_of"] == str(original)

    adopted = call("adopt-copy", str(copy))
    assert adopted.exit_code == 0 and f"it was a copy of {original}" in adopted.stderr
    assert call("adopt-copy", str(copy)).exit_code == 1
    assert json.loads(call("status", str(copy), "--json").stdout)["copy_of"] is None
    record = json.loads(Layout(copy).id.read_text())
    assert record["copied_from"]["path"] == str(original)
    assert call("adopt-copy", str(original)).exit_code == 1
