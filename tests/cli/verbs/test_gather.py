"""Results come from a pod that shares no volume: once, whole, and of the same plan alone."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.small_grid import call
from tests.engine.conftest import trials
from tests.engine.trials import Trial, make_plan
from tuilab.store.experiment import create_experiment
from tuilab.store.layout import Layout
from tuilab.store.read_state import read_state

SSH = """#!/bin/sh
[ ! -e "$0.away" ] || { echo "ssh: no route to pod" >&2; exit 255; }
while [ "${1#-}" != "$1" ]; do shift; done
shift
exec sh -c "$*"
"""
pytestmark = pytest.mark.skipif(shutil.which("rsync") is None, reason="no rsync here")


@pytest.fixture
def trial() -> Iterator[Callable[..., Trial]]:
    with trials() as make:
        yield make


@pytest.fixture(autouse=True)
def stand_in_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ssh that stays on this machine."""
    path = tmp_path / "ssh"
    path.write_text(SSH)
    path.chmod(0o755)
    monkeypatch.setenv("RSYNC_RSH", str(path))


def done_there(trial: Callable[..., Trial], *jobs: str) -> Trial:
    grid = trial(make_plan(("villain", "nurse")))
    grid.ask("run", jobs=jobs) if jobs else grid.ask("run")
    assert grid.run("--go") == 0
    return grid


def test_results_come_once_and_are_done_here(trial: Callable[..., Trial], tmp_path: Path) -> None:
    grid = done_there(trial)
    here = tmp_path / "here"
    source = f"pod:{grid.layout.root}"
    first = call("gather", source, str(here), "--json")
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    assert len(told["new"]) == len(make_plan(("villain", "nurse")).jobs)
    assert told["is_over"]
    states = read_state(here).statuses
    assert {status.state.value for status in states.values()} == {"done"}
    again = json.loads(call("gather", source, str(here), "--json").stdout)
    assert (again["new"], again["known"]) == ([], len(told["new"]))
    assert not (here / ".gather").exists()


def test_a_watch_outlasts_a_pod_that_cannot_be_reached_and_ends_with_the_last_result(
    trial: Callable[..., Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid, away = done_there(trial, "data/villain"), tmp_path / "ssh.away"

    def meanwhile() -> Iterator[None]:
        away.touch()
        yield
        grid.ask("run")
        assert grid.run("--go") == 0
        yield
        away.unlink()
        yield

    story = meanwhile()
    clock = SimpleNamespace(sleep=lambda _: next(story), time=time.time)
    monkeypatch.setattr("tuilab.cli.verbs.gather.time", clock)
    source, here = f"pod:{grid.layout.root}", tmp_path / "here"
    done = call("gather", source, str(here), "--watch")
    assert done.exit_code == 0, done.output
    assert done.output.count("no route to pod; tried again every 30 s") == 1
    states = read_state(here).statuses
    assert {status.state.value for status in states.values()} == {"done"}
    away.touch()
    wrong = call("gather", source, str(tmp_path / "other"), "--watch")
    assert (wrong.exit_code, "no route to pod" in wrong.output) == (1, True), "never reached"


def test_two_pods_with_other_cells_make_one_grid(
    trial: Callable[..., Trial], tmp_path: Path
) -> None:
    data = ("data/villain", "data/nurse", "data/clerk")
    first = done_there(trial, *data)
    here = tmp_path / "here"
    assert call("gather", f"pod1:{first.layout.root}", str(here)).exit_code == 0
    whole = done_there(trial)
    told = json.loads(call("gather", f"pod2:{whole.layout.root}", str(here), "--json").stdout)
    assert not set(told["new"]) & set(data)
    assert told["is_over"]


def test_results_come_into_a_grid_that_an_engine_left_in_order(
    trial: Callable[..., Trial],
) -> None:
    """Of such a grid the journal is believed, which knows nothing of what came."""
    here, whole = done_there(trial, "data/villain").layout.root, done_there(trial)
    told = json.loads(call("gather", f"pod:{whole.layout.root}", str(here), "--json").stdout)
    assert told["is_over"]
    states = read_state(here).statuses
    assert {status.state.value for status in states.values()} == {"done"}


def test_another_plan_is_refused_and_nothing_comes(
    trial: Callable[..., Trial], tmp_path: Path
) -> None:
    grid = done_there(trial)
    here = create_experiment(tmp_path / "here", "", make_plan(("pirate",)))
    answer = call("gather", f"pod:{grid.layout.root}", str(here.root))
    assert answer.exit_code == 1
    assert "another plan" in answer.output
    assert not list(here.jobs.iterdir())


def test_what_arrived_in_part_is_no_result_and_comes_again(
    trial: Callable[..., Trial], tmp_path: Path
) -> None:
    grid = done_there(trial)
    spoilt = grid.layout.attempt_dir("train/nurse@0#42", 1) / "adapter"
    spoilt.rename(spoilt.with_name("away"))
    here = tmp_path / "here"
    assert call("gather", f"pod:{grid.layout.root}", str(here)).exit_code == 1
    assert not Layout(here).attempt_dir("train/nurse@0#42", 1).exists()
    spoilt.with_name("away").rename(spoilt)
    assert call("gather", f"pod:{grid.layout.root}", str(here)).exit_code == 0


@pytest.mark.parametrize("source", ["nowhere", "-oProxyCommand=x:runs/a", ":runs/a"])
def test_what_is_no_source_is_refused(source: str, tmp_path: Path) -> None:
    assert call("gather", "--", source, str(tmp_path / "here")).exit_code == 2
