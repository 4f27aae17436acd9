"""Decides which number a cell has by a metric: grid, filters and comparisons all ask here."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tuilab.grid.cells import Cell
from tuilab.grid.edits import apart, behind, edits_text
from tuilab.grid.metrics import METRICS, Measurement
from tuilab.grid.states import State
from tuilab.store.snapshot import CellView


def number_of(view: CellView, metric: str) -> Measurement | None:
    """Return what a cell shows, None when it was not measured (or is not finite).

    A stale or suspect cell may have a number as well.
    """
    found = view.metrics.get(metric)
    return found if found is not None and math.isfinite(found.value) else None


def done_number_of(view: CellView, metric: str) -> Measurement | None:
    """Return what may be compared: the number of a cell that is done, else None, never 0."""
    return number_of(view, metric) if view.state is State.DONE else None


def edits_behind(view: CellView, metric: str) -> str:
    """Return the settings unlike the config's that a cell's number ran with; "" for none."""
    if not view.edits:
        return ""
    return edits_text(behind(view.edits, METRICS[metric].measure.stage))


def standing_apart(views: Sequence[CellView], metric: str) -> frozenset[Cell]:
    """Return the done cells that ran with settings unlike the rest of those given."""
    if not any(view.edits for view in views):
        return frozenset()
    return apart(
        {
            view.cell: (view.cell.epoch, edits_behind(view, metric))
            for view in views
            if done_number_of(view, metric) is not None
        }
    )
