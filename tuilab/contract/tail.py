"""Follows growing files by byte offset: what is new costs, what exists does not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class JsonlFollower:
    """Reads the whole new lines of a growing JSONL file; half a line is left for later."""

    path: Path
    offset: int = 0
    """Bytes consumed; always at the start of a line."""
    broken: list[int] = field(default_factory=list)
    """Byte offsets of whole lines that were not JSON objects; they are skipped, never fatal."""

    def read(self) -> list[dict[str, Any]]:
        """Return the objects appended since the last call; [] when there is no file yet."""
        try:
            with self.path.open("rb") as file:
                file.seek(0, 2)
                if file.tell() < self.offset:
                    self.offset = 0
                file.seek(self.offset)
                chunk = file.read()
        except FileNotFoundError:
            return []
        whole = chunk[: chunk.rfind(b"\n") + 1]
        found = []
        for line in whole.splitlines(keepends=True):
            if (parsed := _parse(line)) is not None:
                found.append(parsed)
            elif line.strip():
                self.broken.append(self.offset)
            self.offset += len(line)
        return found


def tail_lines(path: Path, limit_bytes: int = 64 * 1024) -> list[str]:
    """Return the last lines of a text file, reading at most ``limit_bytes``; [] if missing."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - limit_bytes))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [line.rsplit("\r", 1)[-1] for line in text.replace("\r\n", "\n").split("\n")]


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
