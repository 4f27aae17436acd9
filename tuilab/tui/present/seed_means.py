"""Puts the seeds of a source together for the grid: a mean, its spread, and how many it is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, stdev

from tuilab.contract.foreign import clean_line
from tuilab.grid.cells import Cell
from tuilab.grid.metrics import METRICS, Measurement
from tuilab.grid.states import BROKEN, State
from tuilab.store.snapshot import CellView, Snapshot
from tuilab.study.cell_number import done_number_of, standing_apart
from tuilab.tui.present.cell_text import Zoom, cell_text, value_of
from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.styled_text import Line

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
    counted = [view for view in views if _counts(view, metric, odd)]
    if not counted:
        return min(views, key=lambda view: _RANK.index(view.state))
    value = fmean(value_of(view, metric) or 0.0 for view in counted)
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


def _counts(view: CellView, metric: str, odd: frozenset[Cell]) -> bool:
    return view.cell not in odd and done_number_of(view, metric) is not None


def mean_story(
    snapshot: Snapshot, source: str, epoch: int, metric: str, glyphs: Glyphs
) -> tuple[Line, Line, Line]:
    """Tell of one mean: of how many seeds it is, their range, and what each of them has."""
    of_source = [view for view in snapshot.cells if view.cell.source == source]
    odd = standing_apart(of_source, metric)
    views = [view for view in of_source if view.cell.epoch == epoch]
    values = [value_of(view, metric) or 0.0 for view in views if _counts(view, metric, odd)]
    label = clean_line(snapshot.labels.get(source, source), 40)
    head: Line = (
        (f" {label}", "title"),
        (f" {glyphs.dash} epoch {epoch}", "text"),
        (f" {glyphs.dash} {spread_words(values, len(views), metric)}", "text"),
    )
    each = "  ".join(f"#{view.cell.seed} {_one(view, metric, odd, glyphs)}" for view in views)
    return head, ((f" {each}", "text"),), ((" s shows single seeds", "muted"),)


def spread_words(values: Sequence[float], planned: int, metric: str) -> str:
    """``mean 51% of 2 of 3 seeds, 6% to 96%, sd 64 points``; n/a without any value."""
    if not values:
        return f"n/a: none of {planned} seeds is measured"
    unit = METRICS[metric].unit
    said = f"mean {unit.narrow(fmean(values))} over {len(values)} of {planned} seeds"
    if len(values) < 2:
        return f"{said}, spread n/a"
    low, high = unit.narrow(min(values)), unit.narrow(max(values))
    # A deviation of rates is in points; the sign would read as a share of the mean.
    deviation = unit.narrow(stdev(values)).replace("%", " points")
    return f"{said}, {low} to {high}, sd {deviation}"


def _one(view: CellView, metric: str, odd: frozenset[Cell], glyphs: Glyphs) -> str:
    text = cell_text(view, metric, Zoom.VALUE, glyphs)[0]
    return f"{text} (left out: edited)" if view.cell in odd else text
