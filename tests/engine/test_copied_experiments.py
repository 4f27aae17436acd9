"""A copy of an experiment touches nothing of its original, whatever is damaged in either."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ending import end_workers, lease_of, processes_of
from tests.engine.trials import DEADLINE, Trial
from tuilab.contract.identity import is_alive
from tuilab.contract.worker import LEASE_FILE, Lease
from tuilab.engine.adopt_copy import NoCopyError, adopt_copy
from tuilab.engine.host import process_tree
from tuilab.grid.engine_view import EngineState
from tuilab.grid.states import State
from tuilab.store.experiment_id import copy_of, read_id
from tuilab.store.layout import Layout
from tuilab.store.read_state import read_state
from tuilab.store.reader import Reader
from tuilab.store.status import status

TRAIN = "train/villain@0#42"


@pytest.fixture
def original(trial: Callable[..., Trial]) -> Trial:
    """A grid whose training hangs, with its engine alive."""
    grid = trial()
    grid.script(train=[{"do": "hang"}, {}])
    grid.ask("run")
    grid.start("--go")
    grid.wait(lambda: grid.verdicts(TRAIN) == ["running"], "the training running")
    grid.wait(lambda: (found := lease_of(worker_of(grid))) and found.runner, "a whole lease")
    return grid


@pytest.fixture
def copied(original: Trial, tmp_path: Path):
    """What ``cp -r`` makes of it, with a wish that had been left a moment before."""
    os.kill(original.engines[-1].pid, signal.SIGSTOP)
    original.ask("pause")
    place = shutil.copytree(original.layout.root, tmp_path / "copy", symlinks=True)
    os.kill(original.engines[-1].pid, signal.SIGCONT)
    copy = Trial(Layout(place), original.script_path)
    yield copy
    for engine in copy.engines:
        engine.kill()
        engine.wait()
    end_workers(copy.layout)


def worker_of(grid: Trial) -> Path:
    return grid.layout.worker_dir(grid.ledger().of(TRAIN).attempts[-1].worker)


def lease_in(grid: Trial) -> Lease:
    found = lease_of(worker_of(grid))
    assert found is not None and found.shim is not None and found.runner is not None
    return found


def is_untouched(grid: Trial, lease: Lease) -> bool:
    """Whether shim, runner and engine of a grid live as before."""
    alive = [is_alive(who) for who in (lease.shim, lease.runner) if who is not None]
    return alive == [True, True] and grid.engines[-1].poll() is None


def test_a_copy_of_a_live_one_starts_nothing_until_it_is_adopted_and_then_runs_beside_it(
    original: Trial, copied: Trial, tmp_path: Path
) -> None:
    lease = lease_in(original)
    engine = Reader(copied.layout.root).poll(time.time()).engine
    assert (engine.state, engine.copy_of) == (EngineState.STOPPED, str(original.layout.root))
    told = status(copied.layout.root)
    assert told["copy_of"] == str(original.layout.root)
    assert "adopt-copy" in told["engine"]["note"]
    assert read_state(copied.layout.root).statuses[TRAIN].state is not State.RUNNING
    before = copied.layout.journal.read_bytes()
    assert copied.run("--go") == 1
    worker = worker_of(copied)
    (worker / LEASE_FILE).write_bytes(b"garbage")
    assert read_state(copied.layout.root).statuses[TRAIN].state is not State.RUNNING
    assert copied.run("--go", "--takeover") == 1
    assert half_of_an_rsync(copied, tmp_path / "half").run("--go", "--takeover") == 1
    assert copied.log().count(f"the original is {original.layout.root}") == 2
    assert copied.layout.journal.read_bytes() == before
    assert is_untouched(original, lease)

    found = adopt_copy(copied.layout.root, "ada")
    assert (found.of, found.stopped, found.requests) == (str(original.layout.root), (TRAIN,), 1)
    assert copy_of(copied.layout) == ""
    assert read_id(copied.layout) != read_id(original.layout)
    assert not list(copied.layout.requests.iterdir())
    # an rsync that goes on after the adoption brings the lease along
    shutil.copyfile(worker_of(original) / LEASE_FILE, worker / LEASE_FILE)
    copied.ask("run")
    assert copied.run("--go") == 0
    assert copied.all_done()
    assert copied.verdicts("data/villain") == ["done"]
    assert copied.verdicts(TRAIN) == ["stopped", "done"]
    assert is_untouched(original, lease)
    assert original.verdicts(TRAIN) == ["running"]


def half_of_an_rsync(copy: Trial, place: Path) -> Trial:
    """Return a copy of a copy that lacks its id and its workers."""
    shutil.copytree(copy.layout.root, place, symlinks=True)
    half = Trial(Layout(place), copy.script_path)
    half.layout.id.unlink()
    shutil.rmtree(half.layout.workers)
    return half


def test_a_folder_that_moves_under_its_workers_keeps_them_and_its_copy_does_not(
    original: Trial, tmp_path: Path
) -> None:
    lease, name = lease_in(original), worker_of(original).name
    original.engines[-1].kill()
    original.engines[-1].wait(DEADLINE)
    moved = Layout(original.layout.root.rename(original.layout.root.with_name("moved")))
    copy = Layout(shutil.copytree(moved.root, tmp_path / "far" / "copy", symlinks=True))
    try:
        assert (copy_of(moved), copy_of(copy)) == ("", str(moved.root))
        assert read_state(moved.root).statuses[TRAIN].state is State.RUNNING
        assert read_state(copy.root).statuses[TRAIN].state is not State.RUNNING
        assert lease.runner in processes_of(moved.worker_dir(name))
        assert processes_of(copy.worker_dir(name)) == []
        with pytest.raises(NoCopyError, match="at work"):
            adopt_copy(moved.root, "ada")
        assert adopt_copy(copy.root, "ada").stopped == (TRAIN,)
        assert is_alive(lease.runner) is True
    finally:
        process_tree.send_all(processes_of(moved.worker_dir(name)), signal.SIGKILL)


def test_an_original_is_not_adopted(trial: Callable[..., Trial]) -> None:
    with pytest.raises(NoCopyError, match="is not a copy"):
        adopt_copy(trial().layout.root, "ada")
