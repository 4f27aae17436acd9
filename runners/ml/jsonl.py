"""Reads and writes rows (.jsonl.gz) and JSON files; equal content gives equal bytes."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tuilab.contract import atomic


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write one JSON object per line, with no name or time in the gzip header."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=6, mtime=0) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n")
    atomic.write_bytes(path, buffer.getvalue())
    return path


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read all rows back."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write_json(path: Path, value: Any) -> Path:
    """Write sorted JSON and return the path."""
    atomic.write_json(path, value)
    return path
