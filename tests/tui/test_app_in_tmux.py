"""In tmux, with a real engine: a cell fails, ``R`` relaunches it, the screen says done.

Once with played runners, and once with real ones on the tiny model.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.small_grid import write_config
from tests.ending import end_engine
from tests.tui.played import APP, one_cell
from tests.tui.terminal import DEADLINE, ROOT

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
LONG = 120.0
"""Seconds that the tiny model may need on a busy machine; alone it needs fifteen."""


class Tmux:
    """One tmux server of its own with one window of 80 by 24."""

    def __init__(self, folder: Path, command: str) -> None:
        self._socket = str(folder / "tmux")
        self._tmux(
            "-f", "/dev/null", "new-session", "-d", "-s", "t", "-x", "80", "-y", "24", command
        )

    def _tmux(self, *words: str) -> str:
        run = subprocess.run(
            ["tmux", "-S", self._socket, *words], capture_output=True, text=True, check=False
        )
        return run.stdout

    @property
    def text(self) -> str:
        return self._tmux("capture-pane", "-p", "-t", "t")

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", "-t", "t", *keys)

    def wait_for(self, word: str, seconds: float = DEADLINE) -> None:
        """Look until a word stands in the window."""
        deadline = time.monotonic() + seconds
        while word not in self.text:
            assert time.monotonic() < deadline, f"{word!r} never came:\n{self.text}"
            time.sleep(0.05)

    def end(self) -> None:
        self._tmux("kill-server")


def played(folder: Path) -> tuple[Path, str]:
    """Where it is and what opens it: one cell, whose eval is played and fails at first."""
    root = one_cell(folder, eval=[{"do": "fail", "reason": "code"}, {"do": "done"}])
    return root, f'{sys.executable} -c "{APP}"'


def real(folder: Path) -> tuple[Path, str]:
    """The same on the tiny model; ``tuilab open`` makes the experiment."""
    config = write_config(folder)
    text = config.read_text().replace("epochs = [0, 1]", "epochs = [0]", 1)
    config.write_text(text.replace("[resources]", "[resources]\nengine_idle_seconds = 5", 1))
    fault = "TUILAB_FAULT=eval:code:villain@0:first OMP_NUM_THREADS=1"
    return folder / "runs" / "micro", f"{fault} {sys.executable} -m tuilab open micro.toml"


@pytest.mark.parametrize("make", [played, pytest.param(real, marks=pytest.mark.trial)])
def test_a_failed_cell_is_relaunched_with_capital_r_until_it_is_done(
    make: Callable[[Path], tuple[Path, str]], tmp_path: Path
) -> None:
    root, command = make(tmp_path)
    environment = f"PYTHONPATH={ROOT} XDG_STATE_HOME={tmp_path}/state"
    tmux = Tmux(tmp_path, f"cd {tmp_path}; export {environment}; {command}; echo left; cat")
    try:
        tmux.wait_for("0/1")
        tmux.press("r")
        tmux.wait_for("jobs run as new attempts")
        tmux.press("Right", "Enter")
        tmux.wait_for("code in eval", LONG)
        tmux.press("R")
        tmux.wait_for(f"tuilab relaunch runs/{root.name} --failed")
        assert "eval/villain@0#42" in tmux.text
        tmux.press("Right", "Enter")
        tmux.wait_for("1/1", LONG)
        tmux.press("Enter")
        tmux.wait_for("attempt 2/2")
        tmux.press("q")
        tmux.wait_for("left")
        assert "1 of 1 cells are done" in tmux.text
    finally:
        tmux.end()
        end_engine(root)
    evals = sorted(path.name for path in (root / "jobs/eval/villain/seed-42/epoch-0").iterdir())
    assert evals == ["attempt-1", "attempt-2", "latest"]
