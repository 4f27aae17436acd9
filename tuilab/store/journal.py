"""The only writer of journal.jsonl: appends whole lines, durable before the call returns."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tuilab.contract.atomic import sync_folder
from tuilab.contract.parsing import loads
from tuilab.contract.tail import JsonlFollower
from tuilab.store.layout import Layout

Line = dict[str, Any]
_TAIL_BYTES = 64 * 1024


class Journal:
    """The append-only record of an experiment; one writer, the engine that holds the lease.

    ``fence`` is called before each write and raises when another engine has taken over.
    """

    def __init__(self, layout: Layout, fence: Callable[[], None] | None = None) -> None:
        self.path = layout.journal
        self._fence = fence
        self._sequence: int | None = None

    @property
    def sequence(self) -> int:
        """Number of the last line; 0 for an empty journal."""
        if self._sequence is None:
            self._sequence = last_sequence(self.path)
        return self._sequence

    def append(self, kind: str, **fields: Any) -> Line:
        """Write one line and return it with its ``seq`` and ``at`` (unix time, unless given).

        Raises OSError (disk full, ...): nothing is then recorded and the journal stays whole.
        """
        return self.append_all([{"kind": kind, **fields}])[0]

    def append_all(self, entries: Iterable[Mapping[str, Any]]) -> list[Line]:
        """Write several lines, made durable together; each entry has at least ``kind``."""
        first, now = self.sequence + 1, time.time()
        lines: list[Line] = [
            {"seq": first + place, "at": now, **entry} for place, entry in enumerate(entries)
        ]
        if not lines:
            return []
        text = "".join(
            json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
            for line in lines
        )
        if self._fence is not None:
            self._fence()
        # A number is spent even when the write fails: a reader may have seen the line.
        self._sequence = first + len(lines) - 1
        self._write(text.encode("utf-8", "surrogatepass"))
        return lines

    def read_from(self, offset: int) -> tuple[list[Line], int]:
        """Return the whole lines from a byte offset on, and the offset behind the last of them.

        Half a line is left for later; a line that is not a JSON object is skipped.
        """
        follower = JsonlFollower(self.path, offset)
        return follower.read(), follower.offset

    def _write(self, content: bytes) -> None:
        is_new = not self.path.exists()
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                content = b"\n" + content  # a crash left half a line; it stays, skipped
            try:
                _write_whole(handle, content)
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)
        if is_new:
            sync_folder(self.path.parent)


def last_sequence(path: Path) -> int:
    """Return the ``seq`` of the last readable line, reading only the tail when that suffices."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return 0
    for limit in (_TAIL_BYTES, size):
        with path.open("rb") as file:
            file.seek(max(0, size - limit))
            lines = file.read().split(b"\n")
        for line in reversed(lines):
            if (number := _sequence_of(line)) is not None:
                return number
        if limit >= size:
            break
    return 0


def _sequence_of(line: bytes) -> int | None:
    try:
        return int(loads(line)["seq"])
    except (ValueError, KeyError, TypeError):
        return None


def _write_whole(handle: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]
