"""Looks at volumes: what keeps one from taking more, and what a folder takes."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tuilab.grid.text import count_of, size

LITTLE_BYTES = 64 * 1024
"""Below so much free space not even a record can be written."""
FREE_SOME = "`tuilab gc DIR --dry-run` lists leftovers"
TEST_BYTES = 1024 * 1024


def why_no_room(folder: Path) -> str:
    """Return why nothing more can be written below ``folder``; "" when nothing is seen.

    A quota is not seen: only a write tells.
    """
    try:
        found = os.statvfs(folder)
    except OSError as error:
        return f"the volume of {folder} does not answer ({error.strerror}): mount it again"
    if found.f_flag & os.ST_RDONLY:
        return "the volume is read-only: mount it for writing"
    if found.f_files and not found.f_favail:
        return f"no inodes are left for new files: {FREE_SOME}"
    if found.f_blocks and found.f_bavail * found.f_frsize < LITTLE_BYTES:
        return f"no space is left: {FREE_SOME}"
    return ""


def why_no_write(folder: Path) -> str:
    """Write, flush and remove a file of a MiB; say why it failed, "" when it did not.

    Some volumes have quotas that the free space does not show: only a real write tells.
    """
    path = folder / f".test-write.{uuid.uuid4().hex[:8]}.draft"
    block, left = os.urandom(64 * 1024), TEST_BYTES  # zeros could be compressed away
    try:
        with path.open("xb", buffering=0) as file:
            while left > 0:
                left -= file.write(block[:left])
            os.fsync(file.fileno())
    except OSError as error:
        return str(error.strerror)
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    return ""


@dataclass(frozen=True, slots=True)
class Weight:
    """What a folder takes, and would be lost with it."""

    bytes: int
    files: int

    def __str__(self) -> str:
        return f"{size(self.bytes)} in {count_of(self.files, 'file')}"


def weigh(path: Path) -> Weight:
    """Count what a folder or a file holds; links count as themselves."""
    is_folder = path.is_dir() and not path.is_symlink()
    found = (Path(at) / name for at, _, names in os.walk(path) for name in names)
    total = files = 0
    for one in found if is_folder else (path,):
        try:
            total += one.lstat().st_size
        except OSError:  # it has just been renamed
            continue
        files += 1
    return Weight(total, files)


def free_inodes(folder: Path) -> int | None:
    """Return how many more files the volume takes; None where it has no such limit."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_favail if found.f_files else None
