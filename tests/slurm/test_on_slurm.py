"""The grid on a real Slurm of two nodes: ``make test-slurm`` starts one and says where it lies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.cli.small_grid import run_for_real
from tests.ending import end_engine
from tests.engine.conftest import trial  # noqa: F401  # a fixture
from tests.engine.test_places import assert_never_two_at_once, finish, kill, results, said
from tests.engine.trials import Trial, make_plan
from tuilab.store.layout import Layout

WHERE = os.environ.get("TUILAB_TEST_SLURM", "")
HERE = Path(__file__).parent
FENCE = 6.0
pytestmark = pytest.mark.skipif(not WHERE, reason="no Slurm here: make test-slurm starts one")
Maker = Callable[..., Trial]


def on_slurm(make: Maker, *options: str, workers: int = 2) -> Trial:
    """Make a small grid for Slurm and ask for all of it."""
    places = {"slurm": {"options": ["--gres=gpu:1", *options], "look_seconds": 1.0}}
    places["slurm"]["fence_seconds"] = FENCE
    plan = make_plan(("villain", "nurse"))
    grid = make(plan, workers=workers, executor="slurm", places=places, retries=3)
    grid.ask("run")
    return grid


def start(grid: Trial, **extra: str) -> Any:
    return grid.start("--go", SLURM_CONF=f"{WHERE}/slurm.conf", **extra)


def slurm(*words: str) -> str:
    """Run one of Slurm's commands and return what it prints."""
    done = subprocess.run(words, capture_output=True, text=True)
    return done.stdout


def pid_of(name: str) -> int:
    return int((Path(WHERE) / "run" / name).read_text())


def slurmd_of(node: str) -> int:
    """Return the pid, seen from here, of the daemon of a node."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        words = entry.read_bytes().decode(errors="replace").split("\0")
        if words[:3] == ["slurmd", "-D", "-N"] and words[3] == node:
            return int(entry.parent.name)
    raise AssertionError(f"no slurmd of {node}")


def start_node(letter: str) -> None:
    subprocess.run([HERE / "node.sh", WHERE, letter], check=True)


@pytest.fixture(autouse=True)
def a_sound_cluster() -> Iterator[None]:
    """Wait until both nodes are idle, and cancel what a test left."""
    slurm("scontrol", "update", "nodename=nodeA,nodeB", "state=resume")  # a killed head drains some
    wait_until(lambda: slurm("sinfo", "-h", "-o", "%T").split() == ["idle"], "two idle nodes")
    yield
    slurm("scancel", "--full", "--user=root")


def wait_until(holds: Callable[[], Any], what: str, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def host_of(grid: Trial, job: str) -> str:
    folder = grid.layout.worker_dir(grid.ledger().of(job).attempts[-1].worker)
    return str(json.loads((folder / "lease.json").read_text())["shim"]["host"])


def test_the_grid_is_done_with_the_results_of_this_machine_and_no_secret_goes_along(
    trial: Maker,  # noqa: F811
) -> None:
    here = trial(make_plan(("villain", "nurse")))
    here.ask("run")
    near = here.start("--go")
    grid = on_slurm(trial)
    grid.script(any={"seconds": 0.3})
    canary = "hf_" + "c4n4ry" * 6
    far = start(grid, HF_TOKEN=canary, WANDB_API_KEY=canary)
    grid.wait(lambda: len(grid.live()) == 2, "two at work", 60.0)
    names = [folder.name for folder in grid.worker_dirs()]
    shown = slurm("scontrol", "show", "job") + slurm("ps", "axww", "-o", "args")
    assert all(name in shown for name in names)
    assert canary not in shown
    assert far.wait(90.0) == 0
    assert near.wait(90.0) == 0
    finish(grid)
    assert results(grid.layout) == results(here.layout)
    kept = [path for path in Path(WHERE, "state").rglob("*") if path.is_file()]
    kept += [path for path in grid.layout.root.rglob("*") if path.is_file()]
    assert not [path for path in kept if canary.encode() in path.read_bytes()]


@pytest.mark.trial
def test_real_runners_make_the_same_files_and_numbers_here_and_there(tmp_path: Path) -> None:
    place = f'executor = "slurm"\n[resources.slurm]\nlook_seconds = 1.0\nfence_seconds = {FENCE}\n'
    folders = [tmp_path / "here", tmp_path / "there"]

    def made(folder: Path) -> Layout:
        folder.mkdir()
        resources = place if folder.name == "there" else ""
        return run_for_real(folder, resources, SLURM_CONF=f"{WHERE}/slurm.conf")

    try:
        with ThreadPoolExecutor() as both:
            here, there = both.map(made, folders)
        assert len(results(here)) == 11
        assert results(there) == results(here)
        [worker] = there.workers.iterdir()
        host = json.loads((worker / "lease.json").read_text())["shim"]["host"]
        assert host in ("nodeA", "nodeB")
    finally:
        for folder in folders:
            end_engine(folder / "runs" / "micro")


@pytest.mark.parametrize("whom", ["shim", "runner"])
def test_a_killed_process_costs_one_attempt(trial: Maker, whom: str) -> None:  # noqa: F811
    grid = on_slurm(trial)
    grid.script(**{"data/nurse": [{"do": "hang"}, {}]})
    engine = start(grid)
    grid.wait(lambda: grid.verdicts("data/nurse") == ["running"], "the start", 60.0)
    kill(grid, "data/nurse", whom)
    assert engine.wait(90.0) == 0
    finish(grid)


def test_a_frozen_daemon_makes_no_second_attempt(trial: Maker) -> None:  # noqa: F811
    grid = on_slurm(trial)
    grid.script(any={"until": str(grid.gate)})
    engine = start(grid)
    grid.wait(lambda: len(grid.live()) == 2, "two at work", 60.0)
    frozen = slurmd_of(host_of(grid, next(iter(grid.live()))))
    os.kill(frozen, signal.SIGSTOP)
    try:
        names = ",".join(folder.name for folder in grid.worker_dirs())
        states = ("squeue", "-h", "-t", "all", "-o", "%T", f"--name={names}")
        wait_until(lambda: "NODE_FAIL" in slurm(*states), "Slurm's word that the node failed")
        assert set(grid.live().values()) == {1}
        grid.gate.touch()
        grid.wait(grid.all_done, "the end of the grid", 60.0)
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert engine.wait(90.0) == 0
    assert_never_two_at_once(grid)


def test_a_node_that_is_gone_is_shown_silent_and_its_job_runs_elsewhere(
    trial: Maker,  # noqa: F811
) -> None:
    grid = on_slurm(trial, "--exclusive")
    grid.script(**{"data/nurse": [{"do": "hang"}, {}]})
    engine = start(grid)
    grid.wait(lambda: grid.verdicts("data/nurse") == ["running"], "the start", 60.0)
    letter = host_of(grid, "data/nurse").removeprefix("node")
    os.kill(pid_of(f"unshare-{letter}.pid"), signal.SIGKILL)
    try:
        grid.wait(lambda: "no sign of node" in said(grid), "the silence to be shown", 60.0)
        grid.wait(lambda: grid.verdicts("data/nurse") == ["lost", "done"], "the second", 90.0)
    finally:
        start_node(letter)
    assert engine.wait(90.0) == 0
    finish(grid)


def test_a_bad_partition_pauses_the_grid_with_slurms_own_words(trial: Maker) -> None:  # noqa: F811
    grid = on_slurm(trial, "--partition=nowhere")
    start(grid)
    why = grid.wait(lambda: grid.lines("paused"), "the pause", 60.0)[0]["why"]
    assert "invalid partition" in why
    assert not grid.lines("claimed")


def test_a_wall_time_that_is_of_no_use_pauses_the_grid_after_one_submission_for_each_worker(
    trial: Maker,  # noqa: F811
) -> None:
    grid = on_slurm(trial, "--time=3")
    start(grid)
    why = grid.wait(lambda: grid.lines("paused"), "the pause", 60.0)[0]["why"]
    assert why.startswith("workers are given 3m00s each")
    wait_until(lambda: len(grid.lines("worker-ended")) == 2, "both gone")
    assert len(grid.worker_dirs()) == 2


def test_one_of_two_that_waits_for_ever_is_cancelled(trial: Maker) -> None:  # noqa: F811
    grid = on_slurm(trial, "--exclusive", "--nodelist=nodeA")
    assert start(grid).wait(120.0) == 0
    finish(grid)
    assert len(grid.worker_dirs()) == 2
    assert "PENDING" not in slurm("squeue", "-h", "-o", "%T")


def test_doctor_sends_a_worker_there_and_tells_what_slurm_is_set_to(tmp_path: Path) -> None:
    asked = [sys.executable, "-m", "tuilab", "doctor", "--on", "slurm", "--wait", "90"]
    environment = {**os.environ, "SLURM_CONF": f"{WHERE}/slurm.conf", "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(asked, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert "Slurm started a worker on node" in done.stdout, done.stderr
    assert "SlurmdTimeout" in done.stdout and "a file made here is seen on node" in done.stdout
    assert (done.returncode, "has no GPU: ask for one" in done.stdout) == (1, True)


# Last: a controller that is killed forgets the newest job numbers and gives them again, upon which
# Slurm drains the node that knew one ("Duplicate jobid"); a test that needs this very node waits
# for ever.
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_controller_that_is_away_costs_nothing(trial: Maker, when: str) -> None:  # noqa: F811
    grid = on_slurm(trial)
    grid.script(any={"seconds": 0.3})
    if when == "before":
        os.kill(pid_of("ctld.pid"), signal.SIGKILL)
    engine = start(grid)
    if when == "after":
        grid.wait(lambda: len(grid.live()) == 2, "two at work", 60.0)
        os.kill(pid_of("ctld.pid"), signal.SIGKILL)
    else:
        grid.wait(lambda: "does not answer" in said(grid), "the sentence", 60.0)
        assert not grid.lines("claimed")
    subprocess.run(["slurmctld"], check=True)
    assert engine.wait(120.0) == 0
    finish(grid)
    assert not grid.lines("paused")
