"""Tells cheaply whether a file is still the one that was read."""

from __future__ import annotations

from pathlib import Path

Stamp = tuple[int, int, int]
"""(mtime in ns, size in bytes, inode); (0, 0, 0) when there is no such file."""

NO_FILE: Stamp = (0, 0, 0)


def stamp_of(path: Path) -> Stamp:
    """Return the stamp of a file; every writer here replaces by rename, so it changes each time."""
    try:
        found = path.stat()
    except OSError:
        return NO_FILE
    return found.st_mtime_ns, found.st_size, found.st_ino
