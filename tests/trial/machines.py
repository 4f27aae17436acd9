"""Random kills of grids on other machines: python -m tests.trial machines --seed 1 --kills 100

On namespaces, or on the Slurm that ``TUILAB_TEST_SLURM`` names (tests/slurm/up.sh starts one). Each
grid is struck while it runs, then left alone; it must be done, with nothing done twice, and no two
attempts of a job at work at once.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.engine.conftest import trials
from tests.engine.test_places import (
    ELSEWHERE,
    assert_never_two_at_once,
    kill,
    scheduler,
    set_places,
)
from tests.engine.trials import Trial, make_plan
from tests.slurm import test_on_slurm as real

Strike = Callable[[Trial, random.Random], None]
STRIKES_A_GRID = 5
FENCE = 5.0


def play(arguments: list[str]) -> int:
    """Strike until there were as many kills as asked; 0 when every grid came out whole."""
    parser = argparse.ArgumentParser(prog="python -m tests.trial machines")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--on", choices=["namespaces", "slurm"], default="namespaces")
    chosen = parser.parse_args(arguments)
    dice = random.Random(chosen.seed)
    strikes = ON_SLURM if chosen.on == "slurm" else ON_NAMESPACES
    struck: Counter[str] = Counter()
    grids = 0
    while struck.total() < chosen.kills:
        with trials() as make:
            _one_grid(_grid(make, chosen.on), strikes, dice, struck)
        grids += 1
        print(f"{grids} grids, {struck.total()} kills: {dict(struck)}", flush=True)
    print(f"nothing lost, nothing done twice, never two at once: {struck.total()} kills")
    return 0


def _grid(make: Callable[..., Trial], on: str) -> Trial:
    plan = make_plan(("villain", "nurse", "pilot"), (0, 2))
    common = {"workers": 2, "retries": 9, "save_seconds": 0.1}
    if on == "slurm":
        options = {"options": ["--gres=gpu:1"], "look_seconds": 1.0, "fence_seconds": FENCE}
        return make(plan, executor="slurm", places={"slurm": options}, **common)
    grid = make(plan, executor=ELSEWHERE, **common)
    folder = scheduler(grid)
    folder.mkdir()
    resources = {ELSEWHERE: {"folder": str(folder), "fence_seconds": FENCE}}
    set_places(grid, resources)
    return grid


def _one_grid(
    grid: Trial, strikes: dict[str, Strike], dice: random.Random, struck: Counter[str]
) -> None:
    grid.script(any={"seconds": 0.8})
    grid.ask("run")
    _engine(grid)
    for _ in range(STRIKES_A_GRID):
        time.sleep(dice.uniform(0.2, 3.0))
        name = dice.choice(sorted(strikes))
        strikes[name](grid, dice)
        struck[name] += 1
    deadline = time.monotonic() + 900.0
    while not grid.all_done():
        assert time.monotonic() < deadline, f"not done: {grid.lines()[-5:]}\n{grid.log()[-1500:]}"
        _engine(grid)
        _ask_for_held(grid)
        time.sleep(0.5)
    assert_never_two_at_once(grid)


def _engine(grid: Trial) -> None:
    if not grid.engines or grid.engines[-1].poll() is not None:
        grid.start("--go", SLURM_CONF=os.environ.get("SLURM_CONF", ""))


def _ask_for_held(grid: Trial) -> None:
    """A person asks again for what three ends of a kind have held, and resumes what paused."""
    ledger = grid.ledger()
    held = tuple(job for job, known in ledger.evidence.items() if known.held)
    if held:
        grid.ask("relaunch", jobs=held)
    if ledger.pause:
        grid.ask("resume")


def _strike_job(whom: str) -> Strike:
    def strike(grid: Trial, dice: random.Random) -> None:
        if live := sorted(grid.live()):
            kill(grid, dice.choice(live), whom)

    return strike


def _engine_here(grid: Trial, dice: random.Random) -> None:
    grid.engines[-1].kill()
    grid.engines[-1].wait()
    _engine(grid)


def _engine_elsewhere(grid: Trial, dice: random.Random) -> None:
    """Another engine takes the experiment over while the first one lives."""
    grid.start("--go", "--takeover", SLURM_CONF=os.environ.get("SLURM_CONF", ""))


def _node(grid: Trial, dice: random.Random) -> None:
    """End a whole machine: its first process."""
    live = sorted(grid.live())
    if not live:
        return
    folder = grid.layout.worker_dir(grid.ledger().of(dice.choice(live)).attempts[-1].worker)
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        words = entry.read_bytes().decode(errors="replace")
        if words.startswith("unshare\0") and str(folder) in words:
            os.kill(int(entry.parent.name), signal.SIGKILL)


def _switch(name: str, seconds: float) -> Strike:
    def strike(grid: Trial, dice: random.Random) -> None:
        (scheduler(grid) / name).touch()
        time.sleep(dice.uniform(0.5, seconds))
        (scheduler(grid) / name).unlink(missing_ok=True)

    return strike


def _lose_an_answer(grid: Trial, dice: random.Random) -> None:
    (scheduler(grid) / "forget-answer").touch()


def _slurm_node(grid: Trial, dice: random.Random) -> None:
    letter = dice.choice("AB")
    os.kill(real.pid_of(f"unshare-{letter}.pid"), signal.SIGKILL)
    time.sleep(1.0)
    real.start_node(letter)


def _frozen(grid: Trial, dice: random.Random) -> None:
    pid = real.slurmd_of(f"node{dice.choice('AB')}")
    os.kill(pid, signal.SIGSTOP)
    time.sleep(dice.uniform(1.0, 25.0))
    os.kill(pid, signal.SIGCONT)


def _slurm_node_frozen(grid: Trial, dice: random.Random) -> None:
    """Stop all processes of a node, its shims with them; what thaws first must not write."""
    node = real.slurmd_of(f"node{dice.choice('AB')}")
    space = Path(f"/proc/{node}/ns/pid").readlink()
    frozen = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (entry / "ns" / "pid").readlink() == space:
                frozen.append(int(entry.name))
    for number in (signal.SIGSTOP, signal.SIGCONT):
        dice.shuffle(frozen)
        for pid in frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        time.sleep(dice.uniform(1.0, 25.0) if number == signal.SIGSTOP else 0.0)


def _controller(grid: Trial, dice: random.Random) -> None:
    os.kill(real.pid_of("ctld.pid"), signal.SIGKILL)
    time.sleep(dice.uniform(0.5, 5.0))
    subprocess.run(["slurmctld"], check=True)
    time.sleep(1.0)
    real.slurm("scontrol", "update", "nodename=nodeA,nodeB", "state=resume")


ANYWHERE: dict[str, Strike] = {
    "shim": _strike_job("shim"),
    "runner": _strike_job("runner"),
    "engine": _engine_here,
    "takeover": _engine_elsewhere,
}
ON_NAMESPACES: dict[str, Strike] = {
    **ANYWHERE,
    "node": _node,
    "away": _switch("away", 6.0),
    "lies": _switch("lies", 6.0),
    "lost answer": _lose_an_answer,
}
ON_SLURM: dict[str, Strike] = {
    **ANYWHERE,
    "node": _slurm_node,
    "node frozen": _slurm_node_frozen,
    "slurmd frozen": _frozen,
    "slurmctld": _controller,
}
