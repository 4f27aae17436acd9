"""Starts the copying program beside a runner and gives it attempts; never fails or delays a job.

The runner only starts a process and writes one line to it per attempt. The other process imports
the tracker's library, with its threads and its network.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from runners import stop_signal
from tuilab.contract.foreign import names_a_secret
from tuilab.contract.report import Reporter
from tuilab.contract.spec import Spec
from tuilab.contract.tracking import CopyState, Order, order_for, read_state, run_id

LOG_FILE = "log.txt"
LEAVE_SECONDS = 5.0
"""How long a runner that ends waits for complete copies; ``tuilab track refill`` does the rest."""
STOPPED_SECONDS = 1.0
"""The same for a runner that was asked to stop."""

_running: list[subprocess.Popen[bytes]] = []


def begin(spec: Spec, directory: Path, reporter: Reporter) -> Callable[[], Mapping[str, Any]]:
    """Have this attempt copied, if the spec says so; return what the outcome records of it.

    Call the returned function once, before the outcome; it notes a problem.
    """
    try:
        order = order_for(spec, directory, os.environ)
        problem = _send(order) if order is not None else ""
    except Exception as error:
        order, problem = None, f"{type(error).__name__}: {error}"
    if problem:
        reporter.note(f"no copy in the tracker: {problem}")
    if order is None or problem:
        return dict
    return lambda: _copied_run(order, run_id(order.group, spec), reporter)


def leave(seconds: float | None = None) -> None:
    """Close the pipe, and wait a moment (seconds) for the copies that are under way."""
    limit = STOPPED_SECONDS if stop_signal.was_received() else LEAVE_SECONDS
    deadline = time.monotonic() + (limit if seconds is None else seconds)
    while _running:
        process = _running.pop()
        with suppress(OSError):
            _pipe_of(process).close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))


def _send(order: Order) -> str:
    """Send the program one order; return why it did not get it, "" when it did."""
    if find_spec("wandb") is None:
        return "wandb is not installed: pip install 'tuilab[wandb]'"
    process = _program(order.folder)
    line = order.as_json().encode() + b"\n"
    try:
        written = _pipe_of(process).write(line)  # None when the pipe is full
    except OSError as error:
        return f"the copying program has ended: {error.strerror}"
    return "" if written == len(line) else "the copying program is too far behind"


def _program(folder: Path) -> subprocess.Popen[bytes]:
    """Return the running program; start one if there is none or it died."""
    if _running and _running[-1].poll() is None:
        return _running[-1]
    if not _running:
        atexit.register(leave)
    _running.clear()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOG_FILE).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "runners.tracker.copy_events", "--follow"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=environment(os.environ),
            bufsize=0,
        )
    os.set_blocking(_pipe_of(process).fileno(), False)
    _running.append(process)
    return process


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """The runner's environment without its devices and without secrets but the tracker's own."""
    found = {
        name: value
        for name, value in own.items()
        if name.startswith("WANDB_") or not names_a_secret(name)
    }
    root = str(Path(__file__).resolve().parents[2])
    path = [part for part in found.get("PYTHONPATH", "").split(os.pathsep) if part]
    found["PYTHONPATH"] = os.pathsep.join(path if root in path else [root, *path])
    found["CUDA_VISIBLE_DEVICES"] = ""
    return found


def _copied_run(order: Order, run: str, reporter: Reporter) -> dict[str, Any]:
    """Return which run holds the copy, as far as is known at the end of the attempt."""
    try:
        state = read_state(order.folder, run)
        if state is not None and state.problem:
            reporter.note(f"the copy in the tracker is incomplete: {state.problem}")
            return {}
        return {"tracker_run": _describe(order, run, state)}
    except Exception as error:
        reporter.note(f"the tracker's state cannot be read: {type(error).__name__}: {error}")
        return {}


def _describe(order: Order, run: str, state: CopyState | None) -> str:
    project = f"{order.entity}/{order.project}" if order.entity else order.project
    has_begun = state is not None and state.place
    return f"{project}/{run} ({order.mode}{'' if has_begun else ', not begun yet'})"


def _pipe_of(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdin is not None, "it was started with a pipe"
    return process.stdin
