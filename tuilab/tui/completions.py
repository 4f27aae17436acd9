"""Reads the completions of a cell and the marker they are searched for; off the event loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuilab.grid.cells import Cell
from tuilab.grid.jobs import Plan, job_id
from tuilab.grid.stages import Stage

Completion = Mapping[str, Any]


def read_completions(source: object, cell: Cell) -> tuple[Sequence[Completion], str]:
    """Return the completions, or [] and why there are none."""
    from tuilab.store.measurements import completions
    from tuilab.store.reader import Reader

    if not isinstance(source, Reader):
        return [], "there is no attempt to read from"
    try:
        found = list(completions(source, cell))
    except (OSError, ValueError) as error:
        return [], f"the completions cannot be read: {error}"
    return found, "" if found else "no completions yet: the eval stage writes them"


def questions_of(source: object, cell: Cell) -> Sequence[str]:
    """Return the questions that the cell's eval asks, () when the plan does not say."""
    found = _settings(source, cell, Stage.EVAL).get("questions")
    return found if isinstance(found, list | tuple) else ()


def _settings(source: object, cell: Cell, stage: Stage) -> Mapping[str, Any]:
    plan = getattr(source, "plan", None)
    if not isinstance(plan, Plan):
        return {}
    job = plan.by_id.get(job_id(stage, cell.source, cell.epoch, cell.seed))
    return plan.settings.get(job.settings, {}) if job is not None else {}


def marker_of(source: object, cell: Cell) -> str:
    """Return the marker that the cell's eval looks for, "" when the plan does not say."""
    for stage, block in ((Stage.EVAL, "scorer"), (Stage.TRAIN, "marker")):
        found = _settings(source, cell, stage).get(block)
        if isinstance(found, Mapping) and found.get("text"):
            return str(found["text"])
    return ""
