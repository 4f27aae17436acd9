"""Decides which cells ran with settings unlike the config's, and which of them stand apart."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, TypeVar

from tuilab.grid.cells import Cell
from tuilab.grid.jobs import Job, Plan

EDITED = "†"
"""Marks a number of an edited cell wherever people read it."""
EDITED_ASCII = "e"
LEGEND = "ran with settings unlike the config"
"""What the mark means."""
_BETWEEN = "; "
_CONVERGENCE = "convergence."
"""Edits of this block change nothing at epoch 0, which knows no convergence adapter."""

K = TypeVar("K", bound=Hashable)


def edits_text(edits: Mapping[str, Any]) -> str:
    """Write edits in one fixed order, ``marker.epochs=10; marker.lr=0.002``; "" for none."""
    return _BETWEEN.join(
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(edits.items())
    )


def read_edits(text: str) -> dict[str, Any]:
    """Read what ``edits_text`` wrote; what is not JSON, in a table from elsewhere, stays text."""
    found: dict[str, Any] = {}
    for one in filter(None, text.split(_BETWEEN)):
        key, _, raw = one.partition("=")
        try:
            found[key] = json.loads(raw)
        except ValueError:
            found[key] = raw
    return found


def cell_edits(plan: Plan) -> dict[Cell, dict[str, Any]]:
    """Return the edits of every cell that has any, those of the shared jobs it reads included."""
    found: dict[Cell, dict[str, Any]] = {}
    if not any(job.deviation for job in plan.jobs):
        return found
    for job in plan.jobs:
        if job.cell is None:
            continue
        shared = [plan.by_id[parent] for parent in job.parents]
        for one in (*(parent for parent in shared if parent.cell is None), job):
            if one.deviation:
                found.setdefault(job.cell, {}).update(_at(job.cell, one))
    return {cell: edits for cell, edits in found.items() if edits}


def _at(cell: Cell, job: Job) -> dict[str, Any]:
    return {
        key: value
        for key, value in job.deviation.items()
        if cell.epoch > 0 or not key.startswith(_CONVERGENCE)
    }


def behind(edits: Mapping[str, Any], is_cosine: bool) -> dict[str, Any]:
    """Keep the edits that a number rests on: sampling moves no cosine, and layers no rate."""
    other = "eval." if is_cosine else "cosine."
    return {key: value for key, value in edits.items() if not key.startswith(other)}


def apart(ran: Mapping[K, tuple[int, str]]) -> frozenset[K]:
    """Return what must not be put together with the rest, of things given as (epoch, edits).

    Nothing, when all ran with the same edits (an edit of the convergence cannot show at epoch 0);
    otherwise everything edited, so that what is left ran as the config says.
    """
    later = {edits for epoch, edits in ran.values() if epoch > 0}
    first = {edits for epoch, edits in ran.values() if epoch == 0}
    is_one = len(later) <= 1 and first <= ({_without_convergence(*later)} if later else first)
    if is_one and len(first) <= 1:
        return frozenset()
    return frozenset(key for key, (_, edits) in ran.items() if edits)


def _without_convergence(edits: str) -> str:
    return _BETWEEN.join(one for one in edits.split(_BETWEEN) if not one.startswith(_CONVERGENCE))


def listed(cells: Iterable[tuple[str, str]], limit: int = 8) -> str:
    """Name cells by their edits: ``pirate@3#42, pirate@8#42 (marker.lr=0.002)``."""
    by_edits: dict[str, list[str]] = {}
    for cell, edits in cells:
        by_edits.setdefault(edits, []).append(cell)
    return _BETWEEN.join(f"{_some(names, limit)} ({edits})" for edits, names in by_edits.items())


def _some(names: list[str], limit: int) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
