"""The app dies while work is going on: nothing but the screen ends, and the next one shows it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.tui.played import APP, end_engine, engine_pid, one_cell
from tests.tui.terminal import DEADLINE, Terminal
from tuilab.contract.worker import read_lease
from tuilab.store.layout import Layout

RIGHT = "\x1b[C"


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file for which the training of the cell waits."""
    return tmp_path / "gate"


@pytest.fixture
def working(tmp_path: Path, gate: Path) -> Iterator[Path]:
    """An experiment of one cell whose training goes on until the gate is open."""
    root = one_cell(tmp_path, train={"do": "done", "until": str(gate)})
    yield root
    gate.touch()
    end_engine(root)


def kill(terminal: Terminal) -> None:
    """End the app in a way that it cannot catch."""
    os.kill(terminal.child.pid, signal.SIGKILL)
    assert terminal.end() == -1


def hang_up(terminal: Terminal) -> None:
    """Take the terminal away."""
    process = terminal.process
    terminal.hang_up()
    process.wait(timeout=DEADLINE)


def runner_pid(root: Path) -> int:
    """Process id of the only runner there has ever been."""
    [folder] = Layout(root).workers.iterdir()
    identity = read_lease(folder)
    assert identity is not None
    return identity.pid


def claims(root: Path) -> list[tuple[str, int]]:
    """Every attempt that was ever begun."""
    lines = map(json.loads, (root / "journal.jsonl").read_text().splitlines())
    return [(line["job"], line["attempt"]) for line in lines if line["kind"] == "claimed"]


@pytest.mark.parametrize("end", [kill, hang_up], ids=["killed", "hung up"])
def test_however_the_app_dies_work_goes_on_and_the_next_one_shows_it(
    working: Path, gate: Path, tmp_path: Path, end: Callable[[Terminal], None]
) -> None:
    with Terminal(APP, tmp_path) as terminal:
        terminal.wait_for("0/1")
        terminal.press("r")
        terminal.wait_for("jobs run as new attempts")
        terminal.press(RIGHT)
        terminal.press("\r")
        terminal.wait_for("▶ train")
        before = engine_pid(working), runner_pid(working), claims(working)
        end(terminal)
    assert before[0] is not None
    with Terminal(APP, tmp_path) as again:
        again.wait_for("▶ train")
        assert (engine_pid(working), runner_pid(working), claims(working)) == before
        assert psutil.pid_exists(before[0])
        gate.touch()
        again.wait_for("1/1")
        again.press("q")
        assert again.end() == 0
    train = [number for job, number in claims(working) if job.startswith("train/")]
    assert train == [1]
