"""Runs a module of the runners as a child of this terminal; says what is missing before it does."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuilab.cli.guard import RefusalError

NEEDED = ("torch", "transformers", "peft", "safetensors")
OURS = ("python", "-m", "runners.serve")
"""The worker program that a config names when it names none."""
GRACE_SECONDS = 5.0
"""For a child to leave after SIGTERM."""
INSTALL = "pip install 'tuilab[train]'"


def is_installed(name: str) -> bool:
    """Whether a library could be imported; imports nothing."""
    return importlib.util.find_spec(name) is not None


def refuse_without_libraries(what: str, needed: Sequence[str] = NEEDED) -> None:
    """Raise RefusalError when this Python lacks what the runners import; imports nothing."""
    if absent := [name for name in needed if not is_installed(name)]:
        raise RefusalError(
            f"{what} needs the extra `train` ({', '.join(absent)} missing here): {INSTALL}"
        )


def refuse_without_workers(resources: Mapping[str, Any]) -> None:
    """Raise RefusalError when the plan's workers could not begin anything with this Python.

    Another runner program than ours may need other libraries: it is let through.
    """
    if tuple(resources.get("runner") or OURS) == OURS:
        refuse_without_libraries("running a grid")


def run_module(module: str, arguments: Sequence[str], capture: bool = False) -> tuple[int, str]:
    """Run ``python -m module`` in this folder; return its exit code and captured stdout.

    Without ``capture`` its output goes straight to this terminal and the text is "". stderr always
    goes to the terminal.
    """
    source = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    child = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if capture else None,
        env={**os.environ, "PYTHONPATH": path},
        process_group=0,  # Ctrl+C reaches this process alone, which ends the child's whole group
    )
    try:
        text, _ = child.communicate()
    except BaseException:
        _end_group(child)
        raise
    return child.returncode, (text or b"").decode("utf-8", errors="replace")


def _end_group(child: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_SECONDS)
