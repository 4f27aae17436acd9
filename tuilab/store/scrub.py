"""Blanks out secrets in a log that has ended; until then its owner alone can read it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tuilab.contract import atomic
from tuilab.contract.foreign import redact
from tuilab.contract.parsing import open_plain

_CHUNK = 128 * 1024


def scrub(log: Path) -> bool:
    """Blank out what looks like a secret in a log, then let others read it; True if it held one.

    Others may read it where they may read its folder. Nothing happens where there is no log.
    OSError where the disk takes nothing: it stays private then.
    """
    try:
        with open_plain(log, follow=False) as file:
            found = any(redact(text) != text for text in _texts(file))
            if found:
                file.seek(0)
                texts = (redact(text) for text in _texts(file))
                atomic.write_parts(log, (one.encode(errors="surrogateescape") for one in texts))
    except FileNotFoundError:
        return False
    log.chmod(stat.S_IMODE(log.parent.stat().st_mode) & 0o666)
    return found


def _texts(file: BinaryIO) -> Iterator[str]:
    """Yield a file piece by piece, each of whole lines unless one never ends."""
    while piece := file.read(_CHUNK):
        yield (piece + file.readline(_CHUNK)).decode(errors="surrogateescape")
