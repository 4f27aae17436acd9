"""Judges from the mount table whether a folder survives a pod stop; text in, words out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

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
    """The volume that a folder lies on."""

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
    """Decide whether a volume outlives the pod; a plain machine keeps its disks."""
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
        Survival.PERSISTENT: "outlives the pod",
        Survival.WIPED: "is wiped when the pod stops: move it to a volume",
        Survival.MEMORY: "lies in memory and is gone after a restart",
        Survival.UNKNOWN: "may or may not outlive the pod",
    }
    return f"{what} {path} ({on}) {words[survival]}"
