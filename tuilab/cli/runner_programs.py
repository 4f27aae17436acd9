"""Runs runner programs: asks them what only they know, or lets them use this terminal."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuilab.cli.errors import ERROR, RefusalError
from tuilab.engine.host.environment import source_root
from tuilab.grid.text import duration

NEEDED = ("torch", "transformers", "peft", "safetensors")
OURS = ("python", "-m", "runners.serve")
"""The default worker program."""
HUB = "runners.hub"
"""The program that talks with a model hub."""
PATIENCE_SECONDS = 180.0
"""For an answer: torch loads slowly from a network volume, or where the machine is busy."""
GRACE_SECONDS = 5.0
"""For a child to leave after SIGTERM."""


def how_to_install(extra: str = "train") -> str:
    """Return the one command that adds an extra to this Python, however tuilab came here."""
    prefix, here = Path(sys.prefix), shlex.quote(sys.executable)
    if (prefix / "uv-receipt.toml").exists():
        installer = f"uv pip install --python {here}"
    elif (prefix / "pipx_metadata.json").exists():
        installer = "pipx runpip tuilab install"
    elif Path(shutil.which("pip") or "").parent == Path(sys.executable).parent:
        installer = "pip install"
    else:  # the pip that a shell finds belongs to another Python
        installer = f"{here} -m pip install"
    return f"{installer} 'tuilab[{extra}]'"


@dataclass(frozen=True, slots=True)
class ProgramAnswer:
    """What a runner program said."""

    value: Mapping[str, Any] | None
    """Its JSON object; None when it gave none."""
    why_not: str = ""
    """One sentence when there is no value."""


def ask(
    program: str,
    arguments: Sequence[str] = (),
    question: Mapping[str, Any] | None = None,
    seconds: float = PATIENCE_SECONDS,
    offline: bool = True,
) -> ProgramAnswer:
    """Run ``python -m program``, with a JSON question on stdin if any, and read its answer.

    Only with ``offline`` False it may reach for a model hub, unless the person forbids it.
    """
    may_not = {"HF_HUB_OFFLINE": "1"} if offline else {}
    try:
        done = subprocess.run(
            [sys.executable, "-m", program, *arguments],
            input=json.dumps(question) if question is not None else "",
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env=runner_environment(TOKENIZERS_PARALLELISM="false", **may_not),
        )
    except subprocess.TimeoutExpired:
        return ProgramAnswer(None, f"{program} did not answer within {duration(seconds)}")
    except OSError as error:
        return ProgramAnswer(None, f"{program} did not start: {error.strerror}")
    return _read(program, done)


def runner_environment(**more: str) -> dict[str, str]:
    """Return an environment in which the runners beside this package are found."""
    path = os.pathsep.join(filter(None, (str(source_root()), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, **more}


def _read(program: str, done: subprocess.CompletedProcess[str]) -> ProgramAnswer:
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    try:
        value = json.loads(done.stdout if done.stdout.lstrip().startswith("{") else lines[-1])
    except (ValueError, IndexError):
        value = None
    if isinstance(value, dict):
        return ProgramAnswer(value)
    return ProgramAnswer(None, _why(program, done.stderr))


def _why(program: str, stderr: str) -> str:
    last = next((line for line in reversed(stderr.splitlines()) if line.strip()), "")
    if "No module named" in last:
        missing = last.rpartition("No module named")[2].strip(" '\"")
        if missing.split(".")[0] == "runners":
            return f"{program} is not installed"
        return f"{missing} is not installed: {how_to_install()}"
    return f"{program} gave no answer ({last[:200] or 'no output'})"


def is_installed(name: str) -> bool:
    """Whether a library could be imported; imports nothing."""
    return importlib.util.find_spec(name) is not None


def refuse_without_libraries(what: str, needed: Sequence[str] = NEEDED) -> None:
    """Raise RefusalError when this Python lacks what the runners import; imports nothing."""
    if absent := [name for name in needed if not is_installed(name)]:
        raise RefusalError(
            f"{what} needs {', '.join(absent)}, not installed here: {how_to_install()}"
        )


def refuse_without_workers(resources: Mapping[str, Any]) -> None:
    """Raise RefusalError when the plan's workers cannot start with this Python.

    A runner program other than ours may need other libraries, so it is not checked.
    """
    if tuple(resources.get("runner") or OURS) == OURS:
        refuse_without_libraries("running a grid")


def run_module(module: str, arguments: Sequence[str], capture: bool = False) -> tuple[int, str]:
    """Run ``python -m module`` in this folder; return its exit code and captured stdout.

    Without ``capture`` its output goes straight to this terminal and the text is "". stderr always
    goes to the terminal.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if capture else None,
        env=runner_environment(),
        process_group=0,  # Ctrl+C reaches this process alone, which ends the child's whole group
    )
    try:
        text, _ = child.communicate()
    except BaseException:
        _end_group(child)
        raise
    return child.returncode, (text or b"").decode("utf-8", errors="replace")


def run_hub(arguments: Sequence[str], broken_off: str) -> dict[str, Any]:
    """Let the hub's program move files, with its progress at this terminal; return its answer.

    RefusalError with its reason, or ``broken_off`` where it gave no answer.
    """
    code, text = run_module(HUB, arguments, capture=True)
    if not text.strip():
        raise RefusalError(broken_off, code or ERROR)
    found: dict[str, Any] = json.loads(text)
    if "error" in found:
        raise RefusalError(str(found["error"]))
    return found


def _end_group(child: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_SECONDS)
