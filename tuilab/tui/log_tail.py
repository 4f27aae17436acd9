"""Reads the last 256 KiB of a growing text file; what is new costs, what exists does not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tuilab.contract.parsing import open_plain

LIMIT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a file as raw lines; they are decoded only when they are seen."""

    path: Path | None = None
    lines: tuple[bytes, ...] = ()
    """Without line ends; the last one may be half a line."""
    size: int = 0
    """Bytes of the whole file."""
    is_cut: bool = False
    """Whether earlier lines exist that are not here."""
    exists: bool = False


class LogFollower:
    """Follows one file by its size; a truncated or replaced file is read again from its end."""

    def __init__(self, path: Path, limit: int = LIMIT_BYTES) -> None:
        self.path = path
        self._limit = limit
        self._held = b""
        self._mark: tuple[int, int] = (-1, -1)
        """(inode, size) at the last look."""

    def look(self) -> Tail | None:
        """Return the tail if the file has changed since the last look, otherwise None."""
        try:
            stat = self.path.stat()
        except OSError:
            mark = (0, 0)
            changed, self._mark, self._held = mark != self._mark, mark, b""
            return Tail(self.path) if changed else None
        mark = (stat.st_ino, stat.st_size)
        if mark == self._mark:
            return None
        is_same = mark[0] == self._mark[0] and mark[1] > self._mark[1] >= 0
        start = self._mark[1] if is_same else 0
        start = max(start, stat.st_size - self._limit)
        fresh = self._read(start, stat.st_size)
        joined = self._held + fresh if is_same and start == self._mark[1] else fresh
        self._held = joined[-self._limit :]
        self._mark = mark
        return self._tail(stat.st_size)

    def _read(self, start: int, end: int) -> bytes:
        try:
            with open_plain(self.path) as file:
                file.seek(start)
                return file.read(max(0, end - start))
        except OSError:
            return b""

    def _tail(self, size: int) -> Tail:
        is_cut = size > len(self._held)
        lines = self._held.split(b"\n")
        if lines and lines[-1] == b"":
            lines.pop()
        if is_cut and len(lines) > 1:
            lines.pop(0)
        return Tail(self.path, tuple(lines), size, is_cut, exists=True)
