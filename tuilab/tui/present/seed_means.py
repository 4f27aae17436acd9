"""Puts the seeds of a source together for the grid, leaving out what ran with other settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from tuilab.grid.cells import Cell
from tuilab.grid.edits import apart
from tuilab.grid.metrics import Measurement
from tuilab.grid.states import BROKEN, State
from tuilab.store.snapshot import CellView

Seeds = Sequence[CellView | None]
"""One cell at every seed, None where there is none."""


def mean_cells(seeds: Sequence[Seeds], metric: str) -> tuple[CellView | None, ...]:
    """Return one cell for each epoch of a source, given its cells seed by seed.

    The number is the mean of the seeds that are done and ran with the same settings; where there
    is no such seed, the cell is that of the seed which says most about why.
    """
    odd = standing_apart([view for row in seeds for view in row if view is not None], metric)
    return tuple(_mean_cell(column, metric, odd) for column in zip(*seeds, strict=True))


def _mean_cell(column: Seeds, metric: str, odd: frozenset[Cell]) -> CellView | None:
    views = [view for view in column if view is not None]
    if not views:
        return None
    counted = [view for view in views if counts(view, metric, odd)]
    if not counted:
        return min(views, key=lambda view: _RANK.index(view.state))
    value = fmean(view.value(metric) or 0.0 for view in counted)
    first = replace(counted[0], cell=views[0].cell, jobs=(), detail="")
    return replace(first, metrics={metric: Measurement(value)})


_RANK = (
    State.RUNNING,
    *sorted(BROKEN),
    State.STOPPED,
    State.QUEUED,
    State.WAITING,
    State.STALE,
    State.DONE,
    State.IDLE,
)


def counts(view: CellView, metric: str, odd: frozenset[Cell]) -> bool:
    """Whether a cell enters the mean of its seeds; ``odd`` are those that stand apart."""
    return view.cell not in odd and view.done_number(metric) is not None


def standing_apart(views: Sequence[CellView], metric: str) -> frozenset[Cell]:
    """Return the done cells that ran with settings unlike the rest of those given."""
    if not any(view.edits for view in views):
        return frozenset()
    return apart(
        {
            view.cell: (view.cell.epoch, view.edits_behind(metric))
            for view in views
            if view.done_number(metric) is not None
        }
    )
