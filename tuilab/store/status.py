"""What ``tuilab status --json`` prints; standard library only, from the cache when current."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuilab.grid.engine_view import EngineView
from tuilab.grid.why_queued import why_queued
from tuilab.store.engine_file import read_engine
from tuilab.store.layout import Layout
from tuilab.store.plan_file import config_problem
from tuilab.store.snapshot_file import Cached, is_current, is_same_plan, picture, read_cache

STATUS_SCHEMA = 1
_LARGE = 2000
"""Cells from which on reading everything takes a second or more."""
_BEHIND = 8.0
"""Seconds that the answer for a large grid may lag while its engine works."""


def status(root: Path, now: float | None = None) -> dict[str, Any]:
    """Return the state of an experiment as plain JSON values.

    Keys: schema, experiment, root, synthetic, read_only, measured (what is measured of the trait,
    the headline first), engine, copy_of (the folder of which this one is a copy, or None), counts
    (cells by state),
    jobs_failed (shared jobs that ended badly: job, stage, state, reason, detail, attempt,
    cells_waiting), bases_stale (job and detail of a fetch),
    cells (source, epoch, seed, state, stage, reason, detail, attempt, metrics,
    edits), problems. A metric is {value, hits, n} or None when it was not measured; edits are the
    settings that it ran with unlike the config. Raises PlanFileError or ResultsError.
    """
    moment = time.time() if now is None else now
    layout = Layout(root)
    engine = read_engine(layout, moment)
    cached = read_cache(layout)
    if cached is not None and _may_answer(layout, cached, engine, moment):
        return _assemble(root, cached.picture, engine)
    return _read_all(root, moment)


def _read_all(root: Path, now: float) -> dict[str, Any]:
    # Imported here: the usual call answers from the cache and needs none of it.
    from tuilab.store.reader import Reader

    snapshot = Reader(root).poll(now)
    return _assemble(root, picture(snapshot), snapshot.engine)


def _may_answer(layout: Layout, cached: Cached, engine: EngineView, now: float) -> bool:
    """True when the cache is the truth, or for a large grid at most a few seconds behind it.

    Without an engine, what was running must be looked at: it may have ended or be lost.
    """
    if not engine.is_alive and cached.live:
        return False
    if is_current(layout, cached):
        return True
    is_large = len(cached.picture["cells"]) >= _LARGE
    is_recent = 0 <= now - cached.taken_at <= _BEHIND
    return is_large and is_recent and engine.is_alive and is_same_plan(layout, cached)


def _with_reason(cell: dict[str, Any], engine: EngineView) -> dict[str, Any]:
    """Let a queued cell say why; the cache does not know, since it is the engine of the moment."""
    if cell["state"] != "queued":
        return cell
    told = {name: value for name, value in cell.items() if name != "given_to"}
    why = why_queued(engine, cell["stage"], cell["detail"], cell.get("given_to", ""))
    return {**told, "detail": why}


def _assemble(root: Path, found: Any, engine: EngineView) -> dict[str, Any]:
    told = engine.eta_seconds
    edited = config_problem(Layout(root), found["config_digest"])
    engine = replace(engine, pause=found["pause"], pause_by=found["pause_by"])
    return {
        "schema": STATUS_SCHEMA,
        "experiment": found["experiment"],
        "root": str(root),
        "synthetic": found["synthetic"],
        "read_only": found["read_only"],
        "measured": found["measured"],
        "engine": {
            "state": engine.state.value,
            "pid": engine.pid,
            "host": engine.host,
            "heartbeat_at": engine.heartbeat_at,
            "note": engine.note,
            "pause": engine.pause,
            "paused_by": engine.pause_by or None,
            "workers": engine.workers,
            "eta_seconds": found["eta_seconds"] if told is None else told,
            "limit": engine.limit,
            "gpus": [dict(gpu) for gpu in engine.meter.gpus],
        },
        "copy_of": engine.copy_of or None,
        **found["note"],
        "counts": found["counts"],
        "jobs_failed": found["jobs_failed"],
        "bases_stale": found["bases_stale"],
        "cells": [_with_reason(cell, engine) for cell in found["cells"]],
        "problems": [*found["problems"], *filter(None, [edited])],
    }
