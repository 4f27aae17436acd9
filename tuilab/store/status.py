"""What ``tuilab status --json`` prints; standard library only."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuilab.grid.engine_view import EngineView
from tuilab.grid.lazy import Mapped
from tuilab.grid.notes import Note
from tuilab.grid.shared_failures import shared_failures
from tuilab.grid.stages import Stage
from tuilab.grid.states import State
from tuilab.grid.why_queued import why_queued
from tuilab.store.installed_code import code_problem
from tuilab.store.layout import Layout
from tuilab.store.plan_file import config_problem
from tuilab.store.reader import Reader
from tuilab.store.snapshot import CellView, Snapshot

STATUS_SCHEMA = 1


def status(root: Path, now: float | None = None) -> dict[str, Any]:
    """Return the state of an experiment as plain JSON values, all of it at once."""
    found = lazy_status(root, now)
    return {**found, "cells": list(found["cells"])}


def lazy_status(root: Path, now: float | None = None) -> dict[str, Any]:
    """Return the state of an experiment as JSON values, but for its cells.

    Keys: schema, experiment, root, synthetic, read_only, measured (what is measured of the trait,
    the headline first), engine, copy_of (the folder of which this one is a copy, or None),
    other_code (stages whose program here is not the one that they were planned with), counts
    (cells by state),
    jobs_failed (shared jobs that ended badly: job, stage, state, reason, detail, attempt,
    cells_waiting), bases_stale (job and detail of a fetch),
    cells (source, epoch, seed, state, stage, reason, detail, attempt, metrics,
    edits), problems. A metric is {value, hits, n} or None when it was not measured; edits are the
    settings that it ran with unlike the config. The cells are a sequence of which each is made
    when it is asked for: together 100,000 take 100 MB. Raises PlanFileError or ResultsError.
    """
    snapshot = Reader(root, is_once=True).poll(time.time() if now is None else now)
    engine, unmeasured = snapshot.engine, dict.fromkeys(snapshot.metrics)
    edited = config_problem(Layout(root), snapshot.config_digest)
    updated = code_problem(root, snapshot.other_code)
    return {
        "schema": STATUS_SCHEMA,
        "experiment": snapshot.name,
        "root": str(root),
        "synthetic": snapshot.synthetic,
        "read_only": snapshot.read_only,
        "measured": list(snapshot.measured),
        "engine": {
            "state": engine.state.value,
            "pid": engine.pid,
            "host": engine.host,
            "heartbeat_at": engine.heartbeat_at,
            "note": engine.note,
            "pause": engine.pause,
            "paused_by": engine.pause_by or None,
            "workers": engine.workers,
            "eta_seconds": engine.eta_seconds,
            "limit": engine.limit,
            "gpus": [dict(gpu) for gpu in engine.meter.gpus],
        },
        "copy_of": engine.copy_of or None,
        **note_as_json(snapshot.note),
        "other_code": list(snapshot.other_code),
        "counts": dict(snapshot.counts),
        "jobs_failed": _jobs_failed(snapshot),
        # Their branch has moved on, or the plan asks for them otherwise: no cell may say so.
        "bases_stale": [
            {"job": status.job, "detail": status.detail}
            for status in snapshot.shared
            if status.stage is Stage.FETCH and status.state is State.STALE
        ],
        "cells": Mapped(lambda view: _cell_as_json(view, unmeasured, engine), snapshot.cells),
        "problems": [*snapshot.problems, *filter(None, [edited, updated])],
    }


def _cell_as_json(
    view: CellView, unmeasured: Mapping[str, None], engine: EngineView
) -> dict[str, Any]:
    numbers = view.metrics
    detail = view.detail
    if view.state is State.QUEUED:
        detail = why_queued(engine, view.stage or "", detail, view.given_to)
    return {
        "source": view.cell.source,
        "epoch": view.cell.epoch,
        "seed": view.cell.seed,
        "state": view.state.value,
        "stage": view.stage,
        "reason": view.reason,
        "detail": detail,
        "attempt": view.attempt,
        "metrics": {key: found.shown if (found := numbers.get(key)) else None for key in unmeasured}
        if numbers
        else unmeasured,
        "edits": dict(view.edits),
        "accepted": dict(view.accepted),
        **note_as_json(view.note),
    }


def note_as_json(note: Note) -> dict[str, Any]:
    """Return what people wrote about something."""
    return {"note": note.text, "tags": list(note.tags)}


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
