"""Tells the machine's trouble from that of one file, and says any error in one sentence; pure."""

from __future__ import annotations

import errno
import os
import traceback
from pathlib import Path

from tuilab.contract.foreign import redact

_WORDS = {
    errno.ENOSPC: "no space or no inodes left: `tuilab gc DIR --dry-run` lists leftovers",
    errno.EDQUOT: "the quota is used up: `tuilab gc DIR --dry-run` lists leftovers",
    errno.EROFS: "the volume is read-only: mount it for writing",
    errno.ESTALE: "the mount is stale: mount the volume again",
    errno.EIO: "the volume does not answer reads and writes",
    errno.ENOTCONN: "the volume is not connected: mount it again",
    errno.EMFILE: "too many open files",
    errno.ENFILE: "the machine has too many open files",
    errno.ENOMEM: "the machine has no memory left",
    errno.EAGAIN: "the machine starts no more processes",
}
"""Errors that say nothing about the file that met them."""


def is_of_the_machine(error: BaseException) -> bool:
    """Whether any other file would have met the same error: it is to be tried again later."""
    return isinstance(error, OSError) and error.errno in _WORDS


def sentence(error: BaseException) -> str:
    """Say what went wrong, with the file or the line of code that met it."""
    if isinstance(error, OSError):
        where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
        told = _WORDS.get(error.errno or 0) or error.strerror or str(error)
        return f"{where}: {told}" if where and not is_of_the_machine(error) else told
    last = traceback.extract_tb(error.__traceback__)[-1:]
    at = "".join(f" ({Path(one.filename).name}:{one.lineno})" for one in last)
    return redact(f"{type(error).__name__}: {error}{at}")
