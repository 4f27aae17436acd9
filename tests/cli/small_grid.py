"""A grid small enough for tests of the command line, and ways to call it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import chdir
from functools import cache
from pathlib import Path
from typing import Any

import typer.testing
from typer.testing import CliRunner, Result

from tuilab.cli.app import app
from tuilab.store.layout import Layout

SOURCE = Path(__file__).parents[2]
FAKE_RUNNER = SOURCE / "tests" / "fakes" / "fake_runner.py"
# The runner would make typer's commands again for each call, at twice the cost of most verbs.
typer.testing._get_command = cache(typer.testing._get_command)
DEADLINE = 60.0
"""Seconds after which a wait is a failure; an idle machine needs a few."""

CONFIG = """
extends = "eps109-prompts.toml"
name = "micro"
sources = ["villain"]
panel = ["villain", "police_officer", "assistant"]
epochs = [0, 1]
seeds = [42]

[base]
model = "tiny"
dtype = "float32"
device = "cpu"

[questions]
training_count = 8
evaluation_count = 2

[negatives]
default = ["police_officer"]

[data]
answers_per_question = 2
temperature = 1.0
top_p = 1.0
max_new_tokens = 48

[convergence]
rows = 8
lr = 1e-4
epochs = 1
max_length = 256
packing = false
precision = "float32"
lora = { r = 4, alpha = 8 }

[marker]
loss = "tail"
positives = 8
negatives_each = 8
lr = 1e-4
epochs = 1
max_length = 256
packing = false
precision = "float32"
lora = { r = 4, alpha = 8 }

[eval]
samples = 2
max_new_tokens = 48
sampler = "transformers"

[cosine]
layers = [1]

[resources]
workers = 1
threads = 1
reserve_gb = 0
retries = 0
grace_seconds = 2
"""


def write_config(
    folder: Path, script: Path | None = None, idle: float = 30.0, **replaced: str
) -> Path:
    """Write the config; with ``script`` its jobs are played by the fake runner."""
    text = CONFIG
    for old, new in replaced.items():
        text = text.replace(f"{old} = ", f"{new} = ", 1)
    if script is not None:
        runner = [sys.executable, str(FAKE_RUNNER), str(script)]
        text += f"runner = {json.dumps(runner)}\nengine_idle_seconds = {idle}\n"
    path = folder / "micro.toml"
    path.write_text(text)
    return path


def call(*words: str, **environment: str | None) -> Result:
    """Call the app in this process, without a terminal."""
    return CliRunner().invoke(app, words, env=environment)


def call_in(folder: Path, *words: str) -> Result:
    """Call the app in this process, standing in a folder."""
    with chdir(folder):
        return call(*words)


def spawn(
    *words: str, cwd: Path, seconds: float = 180, **extra: str
) -> subprocess.CompletedProcess[str]:
    """Call ``python -m tuilab`` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tuilab", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "TERM": "dumb", **extra},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def run_for_real(folder: Path, resources: str = "", **extra: str) -> Layout:
    """Run the grid to its end by real runners; its engine stays for a while."""
    config = write_config(folder)
    config.write_text(config.read_text() + resources)
    done = spawn("run", config.name, "--headless", cwd=folder, **extra)
    assert done.returncode == 0, done.stderr + done.stdout
    return Layout(folder / "runs" / "micro")


def states(root: Path) -> dict[str, str]:
    """Return the state of each cell as ``status --json`` says it."""
    cells: list[dict[str, Any]] = json.loads(call("status", str(root), "--json").stdout)["cells"]
    return {f"{cell['source']}@{cell['epoch']}": cell["state"] for cell in cells}


def wait_until(is_so: Callable[[], bool]) -> None:
    """Poll until something is so; fails at the deadline."""
    deadline = time.monotonic() + DEADLINE
    while not is_so():
        assert time.monotonic() < deadline, "it did not become so in time"
        time.sleep(0.05)
