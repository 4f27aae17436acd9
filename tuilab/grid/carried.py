"""Says which edits of earlier relaunches some cells carry; a relaunch keeps them unless told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tuilab.grid.cells import Cell
from tuilab.grid.jobs import Plan

Edits = Mapping[str, Any]
"""Dotted config key to value."""


def carried(plan: Plan, cells: Iterable[Cell]) -> dict[Cell, Edits]:
    """Return the edits of each of these cells that has any."""
    wanted = set(cells)
    found: dict[Cell, dict[str, Any]] = {}
    for job in plan.jobs:
        if job.deviation and job.cell is not None and job.cell in wanted:
            found.setdefault(job.cell, {}).update(job.deviation)
    return dict(found)


def carried_words(edits: Mapping[Cell, Edits], cells: Sequence[Cell]) -> str:
    """Write the edits in one line, with how many of the cells have each; "" when none has any."""
    if not edits:
        return ""
    counts = Counter(f"{key}={value}" for one in edits.values() for key, value in one.items())
    if all(count == len(cells) for count in counts.values()):
        return f"edited before: {', '.join(counts)}"
    told = ", ".join(f"{edit} ({count})" for edit, count in counts.items())
    return f"{len(edits)} of {len(cells)} cells edited before: {told}"
