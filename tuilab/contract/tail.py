"""Follows growing files by byte offset: what is new costs, what exists does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuilab.contract.parsing import check, loads, open_plain

MOST_LINE = 32 * 1024 * 1024
"""Longest line, in bytes: one that names every job of 100,000 cells is a third of that."""
_CHUNK = 1024 * 1024


@dataclass(slots=True)
class JsonlFollower:
    """Reads the whole new lines of a growing JSONL file; half a line is left for later."""

    path: Path
    offset: int = 0
    """Bytes consumed; at the start of a line, unless one is being passed over."""
    kind: type[Any] = dict
    """What a line must hold (see ``parsing.check``)."""
    broken: list[int] = field(default_factory=list)
    """Byte offsets of whole lines that hold something else; they are skipped, never fatal."""
    problem: str = ""
    """Why the file could not be read at the last call."""
    is_within: bool = False
    """It is in the middle of a line that is passed over."""

    def read(self) -> list[dict[str, Any]]:
        """Return the objects appended since the last call; [] when there is no readable file."""
        return [found for batch in self.batches() for found in batch]

    def stream(self) -> Iterator[dict[str, Any]]:
        """Yield the same objects one at a time."""
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the same objects some at a time: of a large file a part only is in memory.

        A line beyond ``MOST_LINE`` bytes is broken, and passed over.
        """
        self.problem = ""
        try:
            with open_plain(self.path) as file:
                if file.seek(0, 2) < self.offset:
                    self.offset, self.is_within = 0, False
                file.seek(self.offset)
                rest = b""
                while chunk := file.read(_CHUNK):
                    rest += chunk
                    end = rest.rfind(b"\n") + 1
                    if end:
                        whole, rest = rest[:end], rest[end:]
                        found = self._take(whole)
                        del whole  # one line of a large grid has 10 MB
                        yield found
                    if self.is_within or len(rest) > MOST_LINE:
                        self._pass_over(rest)
                        rest = b""
        except FileNotFoundError:
            return
        except OSError as error:
            self.problem = str(error.strerror)

    def _take(self, whole: bytes) -> list[dict[str, Any]]:
        """Parse whole lines, the first of which may be the end of one that is passed over."""
        if self.is_within:
            end = whole.index(b"\n") + 1
            self.offset += end
            self.is_within, whole = False, whole[end:]
        if (together := _parse_together(whole, self.kind)) is not None:
            self.offset += len(whole)
            return together
        found = []
        for line in [whole] if whole.count(b"\n") == 1 else whole.splitlines(keepends=True):
            parsed = _parse(line, self.kind) if len(line) <= MOST_LINE else None
            if parsed is not None:
                found.append(parsed)
            elif line.strip():
                self.broken.append(self.offset)
            self.offset += len(line)
        return found

    def _pass_over(self, part: bytes) -> None:
        if not self.is_within:
            self.broken.append(self.offset)
        self.is_within = True
        self.offset += len(part)


def tail_lines(path: Path, limit_bytes: int = 64 * 1024) -> list[str]:
    """Return the last lines of a text file, reading at most ``limit_bytes``; [] if none can be."""
    try:
        with open_plain(path) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - limit_bytes))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return [line.rsplit("\r", 1)[-1] for line in text.replace("\r\n", "\n").split("\n")]


def sequence_of(line: str | bytes) -> int | None:
    """Return the ``seq`` of one line of JSONL; None where it has none."""
    try:
        return int(loads(line)["seq"])
    except (ValueError, KeyError, TypeError):
        return None


def last_words(path: Path) -> str:
    """Return the last line of a text file that says anything; "" where none does."""
    return next((line.strip() for line in reversed(tail_lines(path)) if line.strip()), "")


def _parse_together(whole: bytes, kind: type[Any]) -> list[dict[str, Any]] | None:
    """Parse many sound lines in one go, four times as fast; None when one of them is not sound."""
    lines = whole.splitlines()
    if len(lines) < 50 or not all(line.startswith(b"{") and line.endswith(b"}") for line in lines):
        return None
    try:
        values: list[dict[str, Any]] = loads(b"[" + b",".join(lines) + b"]")
        for value in values:
            check(value, kind)
    except ValueError:
        return None
    return values if len(values) == len(lines) else None


def _parse(line: bytes, kind: type[Any]) -> dict[str, Any] | None:
    try:
        value: dict[str, Any] = loads(line)
        check(value, kind)
    except ValueError:
        return None
    return value
