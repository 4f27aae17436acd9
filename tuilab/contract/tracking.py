"""What an experiment tracker is told: one order per attempt, and the state file of its copy.

events.jsonl stays the source; a tracker holds copies of it, which can be made again at any time.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tuilab.contract import atomic
from tuilab.contract.parsing import loads, read_if_sound, typed
from tuilab.contract.spec import Spec

TRACKER = "tracker"
"""Key in ``Spec.launch``, and the folder of an experiment that holds copies and their states."""
WANDB = "wandb"
ONLINE, OFFLINE = "online", "offline"
MODE_VARIABLE = "WANDB_MODE"
_MODES = {ONLINE: ONLINE, "shared": ONLINE, OFFLINE: OFFLINE, "dryrun": OFFLINE}


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt to copy into the tracker."""

    attempt_dir: Path
    folder: Path
    """Where the tracker may write: never inside an attempt, so that no result depends on it."""
    project: str
    group: str
    """The experiment."""
    mode: str = ONLINE
    """``online`` or ``offline``."""
    entity: str | None = None

    def as_json(self) -> str:
        """Return the order as one line of JSON."""
        return json.dumps(asdict(self), default=str)


@dataclass(frozen=True, slots=True)
class CopyState:
    """How far the copy of one attempt is; a file beside the copies."""

    run: str
    """``project/run id``."""
    mode: str
    copied: int = 0
    """``seq`` of the last event in the copy."""
    is_complete: bool = False
    """The attempt had ended, all its events are in the copy, and the tracker has closed it."""
    problem: str = ""
    """Why there is no copy, or only a part of one."""
    place: str = ""
    """Address of the run, or the folder of an offline one."""


def read_order(line: str) -> Order:
    """Read an order back; ValueError when the line is none."""
    return typed(loads(line), Order)


def order_for(spec: Spec, attempt_dir: Path, own: Mapping[str, str]) -> Order | None:
    """Return what the spec orders; None without a tracker. ``own`` is the environment.

    WANDB_MODE wins over the config, as people expect of it; ``disabled`` means no tracker.
    """
    asked = spec.launch.get(TRACKER)
    if not isinstance(asked, Mapping) or asked.get("kind") != WANDB:
        return None
    mode = _MODES.get(own.get(MODE_VARIABLE) or str(asked.get("mode", ONLINE)))
    if mode is None:
        return None
    return Order(
        attempt_dir=attempt_dir,
        folder=Path(os.path.normpath(attempt_dir / str(asked["folder"]))),
        project=str(asked["project"]),
        group=str(asked["group"]),
        mode=mode,
        entity=asked.get("entity"),
    )


def run_id(group: str, spec: Spec) -> str:
    """Return the tracker's id of one attempt: the same at every time, at most 128 characters.

    The token tells apart attempts of experiments that have the same name.
    """
    words = (_slug(group)[:40], _slug(spec.job)[:60], str(spec.attempt), _slug(spec.token)[:12])
    return "-".join(words)


def state_path(folder: Path, run: str) -> Path:
    """Return where the state of one copy lies."""
    return folder / f"{run}.json"


def read_state(folder: Path, run: str) -> CopyState | None:
    """Return the state of a copy; None when nothing (readable) is known."""
    return read_if_sound(state_path(folder, run), CopyState)


def write_state(folder: Path, run: str, state: CopyState) -> None:
    """Write the state of a copy; OSError when the disk takes nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_json(state_path(folder, run), asdict(state))


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-") or "x"
