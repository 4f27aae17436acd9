"""Measures the room that is left: the volume's free bytes, and a real test write."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

TEST_BYTES = 1024 * 1024


def free_bytes(folder: Path) -> int:
    """Return the bytes a user may still write on the folder's volume."""
    return shutil.disk_usage(folder).free


def why_no_write(folder: Path) -> str:
    """Write, flush and remove a file of a MiB; say why it failed, "" when it did not.

    Some volumes have quotas that the free space does not show: only a real write tells.
    """
    path = folder / f".test-write.{uuid.uuid4().hex[:8]}.draft"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _write(handle)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        return f"{folder} takes no more data ({error.strerror})"
    finally:
        path.unlink(missing_ok=True)
    return ""


def _write(handle: int) -> None:
    block = os.urandom(64 * 1024)  # zeros could be compressed away
    left = TEST_BYTES
    while left > 0:
        left -= os.write(handle, block[:left])
