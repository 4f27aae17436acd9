"""Every reader and every verb say and do one thing, however a folder was left.

``make agreement`` holds many more folders against all verbs.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agreement import compare
from tests.agreement.folders import (
    OPEN,
    OVER,
    beat,
    cut_everywhere,
    keep_fold,
    one_open,
    random_folder,
)
from tests.copies import own_copy
from tuilab.contract.identity import Identity, identify
from tuilab.grid.states import State

SEEDS = range(2)


@pytest.fixture(scope="module")
def living() -> Iterator[Identity]:
    """A process that lives, and of which nothing depends."""
    with subprocess.Popen(["sleep", "600"]) as process:
        found = identify(process.pid)
        assert found is not None
        yield found
        process.kill()


@pytest.mark.parametrize("ending", OPEN)
def test_an_attempt_that_nobody_recorded_is_one_thing_everywhere(
    tmp_path: Path, living: Identity, ending: str
) -> None:
    folder = one_open(tmp_path / "x", OPEN[ending], living, place=7)
    root = folder.scene.root
    beat(folder)
    compare.compare_readers(root)
    folder.scene.layout.engine.unlink()
    state = compare.compare_readers(root)
    compare.compare_quick_verbs(root, state)
    compare.compare_broken(state, state.relaunch_failed())
    is_over = list(state.statuses.values())[7].state not in (State.RUNNING, State.QUEUED)
    assert is_over == (ending in OVER)
    compare.compare_engine(root, state)


def test_a_failure_that_nobody_recorded_is_relaunched_by_every_way(
    tmp_path: Path, living: Identity
) -> None:
    folder = one_open(tmp_path / "x", OVER["failed, unsettled"], living, place=7)
    state = compare.compare_readers(folder.scene.root)
    [job] = [one for one in state.statuses.values() if one.state is State.FAILED]
    assert job.reason == "gpu-oom"
    compare.compare_acting_verbs(folder.scene.root, state)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_folder_is_one_thing_everywhere(tmp_path: Path, living: Identity, seed: int) -> None:
    folder = random_folder(tmp_path / "x", seed, living)
    root = folder.scene.root
    beat(folder)
    compare.compare_readers(root)
    folder.scene.layout.engine.unlink()
    state = compare.compare_readers(root)
    compare.compare_broken(state, state.relaunch_failed())
    compare.compare_quick_verbs(root, state)
    compare.compare_engine(root, state)


def test_a_journal_cut_at_any_line_is_one_thing_everywhere(
    tmp_path: Path, living: Identity
) -> None:
    folder = random_folder(tmp_path / "x", 0, living)
    keep_fold(folder)
    root = folder.scene.root
    for kept in cut_everywhere(folder, step=9):
        beat(folder)
        state = compare.compare_readers(root)
        folder.scene.layout.engine.unlink()
        state = compare.compare_readers(root)
        compare.compare_broken(state, state.relaunch_failed())
        if kept % 4 == 0:
            place = own_copy(root, tmp_path / f"cut-{kept}")
            compare.compare_engine(place, state)
