"""An experiment of one cell whose jobs a played runner does."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.tui.building import lab, plan_of
from tests.tui.terminal import ROOT

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
