"""Asks runner programs what only they know (tokenizer, libraries); bears a missing answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuilab.store.base_model import hub_snapshots

_SOURCE_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a runner program said."""

    value: Mapping[str, Any] | None
    """Its JSON object; None when it gave none."""
    why_not: str = ""
    """One sentence when there is no value."""


def ask(
    program: str,
    arguments: Sequence[str] = (),
    question: Mapping[str, Any] | None = None,
    seconds: float = 60.0,
) -> Answer:
    """Run ``python -m program``, with a JSON question on stdin if any, and read its answer."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", program, *arguments],
            input=json.dumps(question) if question is not None else "",
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env=_environment(),
        )
    except subprocess.TimeoutExpired:
        return Answer(None, f"{program} did not answer within {seconds:.0f} s")
    except OSError as error:
        return Answer(None, f"{program} could not be started: {error.strerror}")
    return _read(program, done)


def _environment() -> dict[str, str]:
    """Return an environment in which the runners beside this package are found, off the net."""
    path = os.pathsep.join(filter(None, (str(_SOURCE_ROOT), os.environ.get("PYTHONPATH"))))
    return {
        **os.environ,
        "PYTHONPATH": path,
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def _read(program: str, done: subprocess.CompletedProcess[str]) -> Answer:
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    try:
        value = json.loads(done.stdout if done.stdout.lstrip().startswith("{") else lines[-1])
    except (ValueError, IndexError):
        value = None
    if isinstance(value, dict):
        return Answer(value)
    return Answer(None, _why(program, done.stderr))


def _why(program: str, stderr: str) -> str:
    last = next((line for line in reversed(stderr.splitlines()) if line.strip()), "")
    if "No module named" in last:
        missing = last.rpartition("No module named")[2].strip(" '\"")
        if missing.split(".")[0] == "runners":
            return f"{program} is not installed"
        return f"{missing} is not installed: pip install 'tuilab[train]'"
    return f"{program} gave no answer ({last[:200] or 'no output'})"


def is_cached(model: str, revision: str | None, hub_home: Path) -> bool:
    """Whether a hub model's tokenizer lies in the local cache, without importing a hub library."""
    if model == "tiny" or Path(model).is_dir():
        return True
    return any(hub_snapshots(model, hub_home).glob(f"{revision or '*'}/tokenizer*.json"))
