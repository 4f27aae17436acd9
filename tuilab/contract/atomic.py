"""The only way a file that others read is written: draft, fsync, rename, fsync the folder.

Beside it, two that need no rename: one that is created and never replaced, and one that is written
in its place, for what must be said of a full disk.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_bytes(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``: a reader sees the old file or the new one, never half.

    Raises OSError (ENOSPC, EDQUOT, EROFS, ...); the old file is then whole and no draft is left.
    """
    write_parts(path, (content,))


def write_parts(path: Path, parts: Iterable[bytes]) -> None:
    """The same for content that is larger than what should be in memory at once."""
    draft = draft_of(path)
    try:
        _write_through(draft, "wb", parts)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync(path.parent)


def draft_of(path: Path) -> Path:
    """Return a new name beside a path, under which readers pass over what is not whole yet."""
    return path.with_name(f".{path.name[:100]}.{os.urandom(4).hex()}.draft")


def create_json(path: Path, value: Any) -> bool:
    """Create a file with its content in one step (a hard link); False when there is one."""
    draft = draft_of(path)
    try:
        _write_through(draft, "xb", (_as_json(value),))
        return give_name(draft, path)
    finally:
        draft.unlink(missing_ok=True)
        sync(path.parent)


def give_name(draft: Path, path: Path) -> bool:
    """Give a whole file a further name; False when that is taken."""
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return draft.stat().st_nlink == 2  # an NFS server may have answered a retry
    except OSError:  # the volume knows no hard links
        try:
            _write_through(path, "xb", (draft.read_bytes(),))
        except FileExistsError:
            return False
    return True


def write_in_place(path: Path, text: str, size: int, flags: int = 0, mode: int = 0o666) -> None:
    """Write a text of always as many bytes over the one before: needs no inode, block or rename.

    OSError where the file is not there yet and cannot be made, or the volume is gone.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, mode)
    try:
        os.pwrite(handle, (text.ljust(size - 1) + "\n").encode(), 0)
    finally:
        os.close(handle)


def _write_through(path: Path, mode: str, parts: Iterable[bytes]) -> None:
    with path.open(mode) as file:
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def folder(place: Path) -> Iterator[Path]:
    """Yield a draft whose files come to ``place`` when all are written, and none where one fails.

    Files that ``place`` has already and the draft has not stay; those of one name are replaced.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(place)
    draft.mkdir()
    try:
        yield draft
        for path in sorted(draft.rglob("*")) if place.is_dir() else ():
            target = place / path.relative_to(draft)
            if path.is_dir():
                target.mkdir(exist_ok=True)
            else:
                path.replace(target)
        if not place.is_dir():
            draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as readable JSON with sorted keys; NaN and infinity raise ValueError."""
    write_bytes(path, _as_json(value))


def _as_json(value: Any) -> bytes:
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def sync(path: Path) -> None:
    """Make a file, or a rename or creation inside a folder, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
