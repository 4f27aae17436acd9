"""Reads the last 256 KiB of a growing text file, and searches all of it.

What is new costs, what exists does not; a search holds a block at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tuilab.contract.foreign import clean_line
from tuilab.contract.parsing import open_plain

LIMIT_BYTES = 256 * 1024
LINE_LIMIT = 4000
"""Characters of one line that are ever looked at."""
_BLOCK = 4 << 20


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a file as raw lines; they are decoded only when they are seen."""

    path: Path | None = None
    lines: tuple[bytes, ...] = ()
    """Without line ends; the last one may be half a line."""
    size: int = 0
    """Bytes of the whole file."""
    is_cut: bool = False
    """Whether the file has lines that are not here."""
    exists: bool = False
    start: int = 0
    """Where in the file the first line begins, in bytes."""

    def begins(self, line: int) -> int:
        """Return where in the file a line begins; one past the last: where what is here ends."""
        return self.start + sum(len(raw) + 1 for raw in self.lines[:line])


def readable(raw: bytes) -> str:
    """Decode and clean one raw line; at most ``LINE_LIMIT`` characters of its end or start."""
    clipped = raw if len(raw) <= 4 * LINE_LIMIT else raw[: 4 * LINE_LIMIT]
    if b"\r" in raw.rstrip(b"\r"):
        clipped = raw.rstrip(b"\r").rsplit(b"\r", 1)[-1][: 4 * LINE_LIMIT]
    return clean_line(clipped.decode("utf-8", errors="replace"), LINE_LIMIT)


def part_around(path: Path, place: int) -> Tail:
    """Read up to 256 KiB of whole lines around a place of the file, in bytes."""
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            start = max(0, min(place - LIMIT_BYTES // 2, size - LIMIT_BYTES))
            file.seek(start)
            held = file.read(LIMIT_BYTES)
    except OSError:
        return Tail(path)
    return _lines(path, held, start, size)


def search(path: Path, needle: str, place: int, step: int = 1) -> int | None:
    """Return where the next (1) or previous (-1) line with ``needle`` begins, in any case.

    It goes on from ``place``, the beginning of a line, and around the end of the file. None where
    no line has it, or the file cannot be read.
    """
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            spans = ((place, size), (0, place)) if step > 0 else ((0, place), (place, size))
            for start, end in spans:
                for found in _matches(file, needle, start, end, step):
                    return found
    except OSError:
        return None
    return None


def _matches(file: BinaryIO, needle: str, start: int, end: int, step: int) -> Iterator[int]:
    """Yield where lines with ``needle`` begin, of those that begin from ``start`` to ``end``."""
    sought = needle.casefold()
    raw = {form.encode().lower() for form in (needle, needle.lower(), needle.upper())}
    for at, block in _blocks(file, start, end, step):
        folded = block.lower()  # ASCII alone; the other letters are in ``raw``
        if not any(form in folded for form in raw):
            continue
        lines, begins = block.split(b"\n"), at
        found = []
        for line in lines:
            if sought in readable(line).casefold():
                found.append(begins)
            begins += len(line) + 1
        yield from found if step > 0 else reversed(found)


def _blocks(file: BinaryIO, start: int, end: int, step: int) -> Iterator[tuple[int, bytes]]:
    """Yield whole lines, some megabytes at a time, with the place of the first, in bytes."""
    if step > 0:
        file.seek(start)
        while start < end:
            block = file.read(min(_BLOCK, end - start))
            if not block:
                return
            if start + len(block) < end:
                block = block[: block.rfind(b"\n") + 1] or block
            yield start, block.removesuffix(b"\n")
            start += len(block)
            file.seek(start)
        return
    while end > start:
        at = max(start, end - _BLOCK)
        file.seek(at)
        block = file.read(end - at)
        if at > start:
            skipped = block.find(b"\n", 0, -1) + 1
            block, at = block[skipped:], at + skipped
        yield at, block.removesuffix(b"\n")
        end = at


class LogFollower:
    """Follows one file by its size; a truncated or replaced file is read again from its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
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
        start = max(start, stat.st_size - LIMIT_BYTES)
        fresh = self._read(start, stat.st_size)
        joined = self._held + fresh if is_same and start == self._mark[1] else fresh
        self._held = joined[-LIMIT_BYTES:]
        self._mark = mark
        return _lines(self.path, self._held, stat.st_size - len(self._held), stat.st_size)

    def _read(self, start: int, end: int) -> bytes:
        try:
            with open_plain(self.path) as file:
                file.seek(start)
                return file.read(max(0, end - start))
        except OSError:
            return b""


def _lines(path: Path, held: bytes, start: int, size: int) -> Tail:
    """Split what was read; a line of which the beginning is missing is left out."""
    is_cut = size > len(held)
    lines = held.split(b"\n")
    if lines and lines[-1] == b"":
        lines.pop()
    if start and len(lines) > 1:
        start += len(lines.pop(0)) + 1
    return Tail(path, tuple(lines), size, is_cut, exists=True, start=start)
