"""Looks at the folders a run needs: where they lie, whether they survive, how much room is left."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tuilab.cli.persistence import Survival, explain, find_mount, judge
from tuilab.store.base_model import hub_home


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder and what becomes of it."""

    what: str
    path: Path
    survival: Survival
    free: int | None
    """Bytes; None when it cannot be told."""
    sentence: str


def look_at(what: str, path: Path) -> Folder:
    """Judge the folder, or the nearest existing one above it."""
    real = _existing(path)
    try:
        mountinfo = Path("/proc/self/mountinfo").read_text(errors="replace")
    except OSError:
        mountinfo = ""
    mount = find_mount(str(real), mountinfo)
    survival = judge(mount, in_container())
    try:
        free = shutil.disk_usage(real).free
    except OSError:
        free = None
    return Folder(what, path, survival, free, explain(what, str(path), mount, survival))


def folders_of(root: Path) -> list[Folder]:
    """Judge what a run needs to outlive the pod: its results, the model cache, the environment."""
    return [
        look_at("the run folder", root),
        look_at("the model cache (HF_HOME)", hub_home()),
        look_at("the Python environment", Path(sys.prefix)),
    ]


def in_container() -> bool:
    """Whether this machine is a container, as far as its marks tell."""
    if os.environ.get("KUBERNETES_SERVICE_HOST") or os.environ.get("RUNPOD_POD_ID"):
        return True
    return any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))


def _existing(path: Path) -> Path:
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path.resolve()
