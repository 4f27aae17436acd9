"""The only way a file that others read is written: draft, fsync, rename, fsync the folder."""

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
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}.draft")
    try:
        with draft.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def folder(place: Path) -> Iterator[Path]:
    """Yield a draft whose files come to ``place`` when all are written, and none where one fails.

    Files that ``place`` has already and the draft has not stay; those of one name are replaced.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.name[:100]}.{os.urandom(4).hex()}.draft")
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
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def sync_folder(folder: Path) -> None:
    """Make a rename or a creation inside ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
