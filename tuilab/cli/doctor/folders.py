"""Judges the folders a run needs: whether they survive a pod stop, how much room is left."""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tuilab.contract.hub import hub_home
from tuilab.store.volume import why_no_room, why_no_write

_IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs"})
_OF_THE_CONTAINER = frozenset({"overlay", "aufs", "fuse-overlayfs", "fuse.fuse-overlayfs"})
_NETWORK = ("nfs", "ceph", "lustre", "glusterfs", "fuse.", "9p", "virtiofs", "cifs", "beegfs")


class Survival(StrEnum):
    """What becomes of a folder when the pod stops."""

    PERSISTENT = "persistent"
    WIPED = "wiped"
    MEMORY = "memory"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Mount:
    """The volume that a folder is on."""

    point: str
    kind: str
    """File system type as the kernel names it."""


def find_mount(path: str, mountinfo: str) -> Mount | None:
    """Return the mount of an absolute path from the text of /proc/self/mountinfo."""
    best: Mount | None = None
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        fields = left.split(" ")
        if not dash or len(fields) < 5 or not right:
            continue
        point = re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), fields[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        # Of two mounts at one point the later one covers the earlier.
        if inside and (best is None or len(point) >= len(best.point)):
            best = Mount(point, right.split(" ")[0])
    return best


def judge(mount: Mount | None, in_container: bool) -> Survival:
    """Decide whether a volume survives a pod stop; a plain machine keeps its disks."""
    if mount is None:
        return Survival.UNKNOWN
    if mount.kind in _IN_MEMORY:
        return Survival.MEMORY
    if mount.kind in _OF_THE_CONTAINER:
        return Survival.WIPED if in_container else Survival.UNKNOWN
    if mount.kind.startswith(_NETWORK) or not in_container or mount.point != "/":
        return Survival.PERSISTENT
    return Survival.UNKNOWN


def explain(what: str, path: str, mount: Mount | None, survival: Survival) -> str:
    """Say it in one sentence."""
    on = f"on {mount.kind} at {mount.point}" if mount else "on an unknown volume"
    words = {
        Survival.PERSISTENT: "survives a pod stop",
        Survival.WIPED: "is wiped when the pod stops: move it to a volume",
        Survival.MEMORY: "is in memory and gone after a restart",
        Survival.UNKNOWN: "may not survive a pod stop",
    }
    return f"{what} {path} ({on}) {words[survival]}"


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder and what becomes of it."""

    what: str
    path: Path
    survival: Survival
    free: int | None
    """Bytes; None when unknown."""
    sentence: str


def look_at(what: str, path: Path) -> Folder:
    """Judge the folder, or the nearest existing one above it."""
    real = existing(path)
    try:
        mountinfo = Path("/proc/self/mountinfo").read_text(errors="replace")
    except OSError:
        mountinfo = ""
    mount = find_mount(str(real), mountinfo)
    survival = judge(mount, in_container())
    return Folder(what, path, survival, free_bytes(path), explain(what, str(path), mount, survival))


def folders_of(root: Path) -> list[Folder]:
    """Judge what should survive a pod stop: the results, the model cache, the environment."""
    return [
        look_at("the run folder", root),
        look_at("the model cache (HF_HOME)", hub_home(os.environ)),
        look_at("the Python environment", Path(sys.prefix)),
    ]


def in_container() -> bool:
    """Whether this machine looks like a container."""
    if os.environ.get("KUBERNETES_SERVICE_HOST") or os.environ.get("RUNPOD_POD_ID"):
        return True
    return any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))


def existing(path: Path) -> Path:
    """Return the path itself, or the nearest folder above it that is there."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path.resolve()


def free_bytes(path: Path) -> int | None:
    """Return the bytes that are free for a folder, which need not be there; None when unknown."""
    try:
        return shutil.disk_usage(existing(path)).free
    except OSError:
        return None


def why_not_writable(root: Path) -> str:
    """Write a real file: a quota is invisible to df on some volumes."""
    folder = existing(root)
    why = why_no_write(folder)
    return f"cannot write to {folder}: {why_no_room(folder) or why}" if why else ""
