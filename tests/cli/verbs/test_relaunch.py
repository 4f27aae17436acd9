"""``tuilab relaunch`` on cells that carry edits, and where --restart chooses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.small_grid import call, write_config
from tests.cli.test_operating import Played
from tuilab.cli.experiments import make_experiment
from tuilab.store.journal import Journal
from tuilab.store.layout import Layout
from tuilab.store.read_state import read_state
from tuilab.store.replan import read_config


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """A planned grid; one of its cells carries an edit."""
    from tuilab.engine.answer_requests import keep_edits, plan_with_edits
    from tuilab.store.plan_file import load_plan

    root = tmp_path / "micro"
    make_experiment(read_config(write_config(tmp_path)), root)
    layout, names, sets = Layout(root), ["villain@1#42"], {"eval.samples": 3}
    plan, _ = plan_with_edits(layout, load_plan(root), names, sets, False)
    keep_edits(layout, plan, names, sets, False)
    return root


def test_a_dry_run_names_the_edits_that_a_cell_carries(edited: Path) -> None:
    found = call("relaunch", str(edited), "villain@1", "--dry-run")
    assert "edited before: eval.samples=3; kept: --as-planned takes them back" in found.stdout
    assert "edited before" not in call("relaunch", str(edited), "villain@0", "--dry-run").stdout
    [*_] = json.loads(call("relaunch", str(edited), "villain@1", "--dry-run", "--json").stdout)


def test_as_planned_takes_them_back(edited: Path) -> None:
    found = call("relaunch", str(edited), "villain@1", "--as-planned", "--dry-run")
    assert "edited before: eval.samples=3; taken back" in found.stdout
    refused = call("relaunch", str(edited), "villain@0", "--as-planned", "--dry-run")
    assert refused.exit_code == 1


def test_restart_says_where_it_begins_when_no_state_would_be_taken_up(edited: Path) -> None:
    found = call("relaunch", str(edited), "villain@1", "--restart", "--dry-run")
    assert "no job would resume. It starts at data" in found.stderr


def test_a_cell_that_is_asked_for_already_is_refused_in_the_words_of_the_app(edited: Path) -> None:
    state = read_state(edited)
    Journal(Layout(edited)).append("wanted", jobs=state.run(state.plan.cells).wanted)
    refused = call("relaunch", str(edited), "villain@1", "--yes")
    why = "villain@1#42: it is already requested and has not started yet"
    assert refused.exit_code == 1 and why in refused.stdout
    assert not list(Layout(edited).requests.glob("*"))
    words = ("relaunch", str(edited), "villain@1", "--set", "eval.samples=4", "--dry-run")
    assert "eval/villain@1#42" in call(*words).stdout


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    """A grid whose first jobs fail at once."""
    one = Played(tmp_path)
    one.script(data={"do": "fail", "reason": "nan-loss"})
    make_experiment(read_config(one.config), one.root)
    yield one
    one.end()


def test_an_edit_of_the_shared_convergence_is_named_and_taken_back(played: Played) -> None:
    root = str(played.root)
    played.run("relaunch", root, "villain@1", "--set", "convergence.lr=2e-4", "--headless")
    shown = call("relaunch", root, "villain@1", "--dry-run").stdout
    assert "edited before: convergence.lr=0.0002; kept: --as-planned takes them back" in shown
    assert "edited before" not in call("relaunch", root, "villain@0", "--dry-run").stdout
    back = played.run("relaunch", root, "villain@1", "--as-planned", "--headless")
    assert "edited before: convergence.lr=0.0002; taken back" in back.stdout
    assert json.loads(Layout(played.root).deviations.read_text()) == []
    assert "converge/villain#42" in back.stdout
    assert "edited before" not in call("relaunch", root, "villain@1", "--dry-run").stdout
