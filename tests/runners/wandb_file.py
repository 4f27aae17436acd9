"""Reads an offline run back from its .wandb file: a LevelDB log of protobuf records."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK = 32 * 1024
FILE_HEADER = 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def chunks(raw: bytes) -> Iterator[bytes]:
    """Yield whole records; a torn one at the end is left out."""
    at, parts = FILE_HEADER, b""
    while True:
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
        if at + 7 > len(raw):
            return
        _, length, kind = struct.unpack_from("<IHB", raw, at)
        piece = raw[at + 7 : at + 7 + length]
        if kind not in (FULL, FIRST, MIDDLE, LAST) or len(piece) < length:
            return
        at += 7 + length
        parts = piece if kind in (FULL, FIRST) else parts + piece
        if kind in (FULL, LAST):
            yield parts


def read(folder: Path) -> dict[str, Any]:
    """Return the run, its history rows and its summary, from the folder of an offline run."""
    from wandb.proto.wandb_internal_pb2 import Record

    [path] = folder.glob("*.wandb")
    found: dict[str, Any] = {"history": [], "summary": {}, "config": {}, "exit": None}
    for chunk in chunks(path.read_bytes()):
        record = Record.FromString(chunk)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            found |= {"id": run.run_id, "project": run.project, "group": run.run_group}
            found |= {"job_type": run.job_type, "name": run.display_name}
            found["config"] |= items(run.config.update)
        elif kind == "history":
            found["history"].append(
                {**items(record.history.item), "_step": record.history.step.num}
            )
        elif kind == "summary":
            found["summary"] |= items(record.summary.update)
        elif kind == "exit":
            found["exit"] = record.exit.exit_code
    return found


def items(entries: Any) -> dict[str, Any]:
    """Return name -> value of a record's entries."""
    return {
        one.key or "/".join(one.nested_key): json.loads(one.value_json)
        for one in entries
        if one.value_json
    }
