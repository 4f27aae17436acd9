"""snapshot.json: the derived picture as the engine last saw it; a cache, never the truth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuilab.contract import atomic
from tuilab.contract.parsing import loads, read_bytes
from tuilab.grid.metrics import metric_keys
from tuilab.grid.notes import Note
from tuilab.grid.shared_failures import shared_failures
from tuilab.grid.stages import Stage
from tuilab.grid.states import JobStatus, State
from tuilab.store.file_stamp import Stamp, stamp_of
from tuilab.store.layout import Layout
from tuilab.store.snapshot import CellView, Snapshot

CACHE_SCHEMA = 4
_MOST_BYTES = 1 << 30
PICTURE_KEYS = frozenset(
    {
        "experiment",
        "synthetic",
        "note",
        "read_only",
        "measured",
        "pause",
        "pause_by",
        "eta_seconds",
        "problems",
        "config_digest",
        "counts",
        "jobs_failed",
        "bases_stale",
        "cells",
    }
)
"""What a cached picture must have; one of an older program that lacks a part is not used."""


@dataclass(frozen=True, slots=True)
class Cached:
    """What snapshot.json held."""

    journal_offset: int
    """Bytes of the journal that the picture contains."""
    journal_inode: int
    plan_stamp: Stamp
    taken_at: float
    """Unix time of the picture."""
    live: tuple[tuple[str, int], ...]
    """Job and attempt number of what was running or given to a worker."""
    picture: Mapping[str, Any]
    """Ready for ``status --json``: experiment, synthetic, pause, problems, counts,
    jobs_failed, cells."""


def write_snapshot(layout: Layout, snapshot: Snapshot, journal_offset: int) -> None:
    """Replace snapshot.json; ``journal_offset`` is how much of the journal the snapshot contains.

    About 3 MB and 0.1 s of work at 10,000 cells: an engine should write it when it has been quiet
    for a moment and when it leaves, not at every change.
    """
    content = {
        "schema": CACHE_SCHEMA,
        "journal": [journal_offset, stamp_of(layout.journal)[2]],
        "plan": stamp_of(layout.plan),
        "taken_at": snapshot.taken_at,
        "live": _live(snapshot),
        "picture": picture(snapshot),
    }
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    written = text.encode("utf-8", "surrogatepass")
    atomic.write_bytes(layout.snapshot, _seal(written) + b"\n" + written)


def read_cache(layout: Layout) -> Cached | None:
    """Return the cache; None when it is missing, damaged, or of another schema."""
    try:
        seal, _, written = read_bytes(layout.snapshot, _MOST_BYTES).partition(b"\n")
        raw = loads(written) if seal == _seal(written) else {}
        if raw.get("schema") != CACHE_SCHEMA:
            return None
        offset, inode = raw["journal"]
        mtime, size, plan_inode = raw["plan"]
        live = tuple((str(job), int(number)) for job, number in raw["live"])
        found = raw["picture"]
        if not isinstance(found["cells"], list) or not set(found) >= PICTURE_KEYS:
            return None
        keys = set(metric_keys(found["measured"]))
        if any(cell["metrics"].keys() != keys for cell in found["cells"][:1]):
            return None
        stamp = (mtime, size, plan_inode)
        return Cached(int(offset), int(inode), stamp, float(raw["taken_at"]), live, found)
    except (OSError, KeyError, TypeError, ValueError):
        return None


def _seal(written: bytes) -> bytes:
    """The first line: a cache that anything else has touched is not worth a look."""
    return b"sha256 " + hashlib.sha256(written).hexdigest().encode()


def is_current(layout: Layout, cached: Cached) -> bool:
    """True when neither the journal nor the plan has changed since the cache was written."""
    _, size, inode = stamp_of(layout.journal)
    same_journal = (size, inode) == (cached.journal_offset, cached.journal_inode)
    return same_journal and is_same_plan(layout, cached)


def is_same_plan(layout: Layout, cached: Cached) -> bool:
    """True when plan.json is the one that the cached picture was made with."""
    return stamp_of(layout.plan) == cached.plan_stamp


def picture(snapshot: Snapshot) -> dict[str, Any]:
    """Return the parts of ``status --json`` that do not depend on the moment.

    A cell whose stage was given to a worker says so (``given_to``); the reason is made of it.
    """
    keys = snapshot.metrics
    return {
        "experiment": snapshot.name,
        "synthetic": snapshot.synthetic,
        "read_only": snapshot.read_only,
        "measured": list(snapshot.measured),
        "pause": snapshot.engine.pause,
        "pause_by": snapshot.engine.pause_by,
        "eta_seconds": snapshot.engine.eta_seconds,
        "note": note_as_json(snapshot.note),
        "problems": list(snapshot.problems),
        "config_digest": snapshot.config_digest,
        "counts": dict(snapshot.counts),
        "jobs_failed": _jobs_failed(snapshot),
        "bases_stale": _bases_stale(snapshot),
        "cells": [cell_as_json(view, keys) | _given(view) for view in snapshot.cells],
    }


def cell_as_json(view: CellView, keys: Sequence[str]) -> dict[str, Any]:
    """Return one entry of ``cells`` in ``status --json``, with the metrics ``keys``."""
    numbers = {key: view.metrics.get(key) for key in keys}
    return {
        "source": view.cell.source,
        "epoch": view.cell.epoch,
        "seed": view.cell.seed,
        "state": view.state.value,
        "stage": view.stage,
        "reason": view.reason,
        "detail": view.detail,
        "attempt": view.attempt,
        "metrics": {key: found and found.shown for key, found in numbers.items()},
        "edits": dict(view.edits),
        "accepted": dict(view.accepted),
        **note_as_json(view.note),
    }


def note_as_json(note: Note) -> dict[str, Any]:
    """Return what people wrote about something."""
    return {"note": note.text, "tags": list(note.tags)}


def _given(view: CellView) -> dict[str, str]:
    return {"given_to": view.given_to} if view.given_to else {}


def _bases_stale(snapshot: Snapshot) -> list[dict[str, str]]:
    """Bases whose branch has moved on, or that the plan asks for otherwise: no cell may say so."""
    return [
        {"job": status.job, "detail": status.detail}
        for status in snapshot.shared
        if status.stage is Stage.FETCH and status.state is State.STALE
    ]


def _jobs_failed(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return the shared jobs that ended badly: no cell of its own speaks for them."""
    cells = ((view.cell, view.jobs) for view in snapshot.cells)
    return [
        {
            "job": found.status.job,
            "stage": found.status.stage.value,
            "state": found.status.state.value,
            "reason": found.status.reason,
            "detail": found.status.detail,
            "attempt": found.status.attempt,
            "cells_waiting": len(found.cells),
        }
        for found in shared_failures(snapshot.shared, cells)
    ]


def _live(snapshot: Snapshot) -> list[tuple[str, int]]:
    statuses: list[JobStatus] = list(snapshot.shared)
    for view in snapshot.cells:
        statuses.extend(view.jobs)
    return [(s.job, s.attempt) for s in statuses if s.is_live]
