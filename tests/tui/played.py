"""An experiment of one cell whose jobs a played runner does, and the end of its engine."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.ending import end_workers
from tests.tui.building import lab, plan_of
from tests.tui.terminal import DEADLINE, ROOT
from tuilab.store.layout import Layout
from tuilab.store.lease import holder

FAKE_RUNNER = ROOT / "tests" / "fakes" / "fake_runner.py"
APP = (
    "from pathlib import Path; from tuilab.engine import start; from tuilab.tui import run; "
    "run(Path('runs/trial'), start_engine=lambda root: start(root, go=True))"
)
"""The program that opens it, started in the directory above ``runs``."""


def one_cell(folder: Path, **script: Any) -> Path:
    """Make it in ``runs/trial``; ``script`` says by stage what the runner does."""
    path = folder / "script.json"
    path.write_text(json.dumps(script))
    resources = {
        "workers": 1,
        "reserve_gb": 0,
        "grace_seconds": 1,
        "engine_idle_seconds": 0.5,
        "retries": 0,
        "runner": [sys.executable, str(FAKE_RUNNER), str(path)],
    }
    plan = plan_of(("villain",), (0,), experiment="trial", resources=resources)
    root = folder / "runs" / "trial"
    lab(root, plan, config="")
    return root


def engine_pid(root: Path) -> int | None:
    """Process id of the living engine, None when there is none."""
    engine = holder(Layout(root), time.time())
    return None if engine is None else engine.identity.pid


def end_engine(root: Path) -> None:
    """End the engine, if one is alive, and its workers."""
    if (pid := engine_pid(root)) is not None:
        with suppress(psutil.NoSuchProcess):
            engine = psutil.Process(pid)
            engine.terminate()
            engine.wait(DEADLINE)
    end_workers(Layout(root))
