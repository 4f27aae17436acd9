"""Arranges a snapshot into the rows and columns that are seen: seeds, filter, order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import NamedTuple

from tuilab.grid.cells import Cell
from tuilab.grid.lines import persona_of
from tuilab.grid.metrics import HEADLINE, METRICS
from tuilab.grid.states import BROKEN, WITH_RESULT, State
from tuilab.store.snapshot import CellView, Snapshot
from tuilab.tui.present.filters import Filter
from tuilab.tui.present.seed_means import mean_cells, standing_apart
from tuilab.tui.present.value_colour import Scale, Tint


class Zoom(Enum):
    """How much room a cell has; the value is its pitch in columns."""

    VALUE = 5
    DIGITS = 3
    COLUMN = 1


class Order(StrEnum):
    """How rows are sorted."""

    CONFIG = "config"
    NAME = "name"
    PEAK = "peak"
    FAILURES = "failures"


@dataclass(frozen=True, slots=True)
class View:
    """How a person wants to see the grid; survives every new snapshot."""

    metric: str = HEADLINE
    """Key; ``arrange`` puts the headline in place of one that the experiment does not have."""
    zoom: Zoom = Zoom.VALUE
    order: Order = Order.CONFIG
    seed: int | None = None
    """One chosen seed, or None for all of them."""
    is_mean: bool = False
    """Whether the seeds are put together instead of stacked."""
    is_folded: bool = False
    """Whether of the variants of a source the first alone is seen."""
    filter: Filter = field(default_factory=Filter)
    tint: Tint = Tint.NONE


class Row(NamedTuple):
    """One source at one seed."""

    source: str
    seed: int
    label: str
    cells: tuple[CellView | None, ...]
    """Aligned with the table's epochs; None where the snapshot has no such cell."""


class Table(NamedTuple):
    """What is seen of a grid."""

    epochs: tuple[int, ...]
    rows: tuple[Row, ...]
    view: View
    scale: Scale = (0.0, 1.0)
    """Values at both ends of the colours: the metric's own bounds, or up to the largest seen."""

    def place(self, cell: Cell) -> tuple[int, int] | None:
        """Return (row, column) of a cell (or its mean), or None when it is filtered out."""
        try:
            column = self.epochs.index(cell.epoch)
        except ValueError:
            return None
        for number, row in enumerate(self.rows):
            if row.source == cell.source and (self.view.is_mean or row.seed == cell.seed):
                return number, column
        return None

    def cell(self, row: int, column: int) -> Cell | None:
        """Return the cell at a place, None outside the table and where a mean stands."""
        if self.view.is_mean or not (0 <= row < len(self.rows) and 0 <= column < len(self.epochs)):
            return None
        return Cell(self.rows[row].source, self.epochs[column], self.rows[row].seed)


EMPTY = Table((), (), View())


def arrange(snapshot: Snapshot, view: View) -> Table:
    """Choose seeds, apply the filter and sort the rows."""
    if view.metric not in (metrics := snapshot.metrics):
        view = replace(view, metric=metrics[0])
    wanted = [n for n, epoch in enumerate(snapshot.epochs) if view.filter.has_epoch(epoch)]
    epochs = tuple(snapshot.epochs[n] for n in wanted)
    rows = [row for row in _all_rows(snapshot, view, wanted) if _is_seen(row, view.filter)]
    return Table(epochs, tuple(_sorted(rows, view)), view, _scale(rows, view.metric))


def _scale(rows: Sequence[Row], metric: str) -> Scale:
    unit = METRICS[metric].unit
    if unit.high < math.inf:
        return unit.axis()
    return unit.axis(value for row in rows for value in series(row, metric))


def _all_rows(snapshot: Snapshot, view: View, wanted: Sequence[int]) -> list[Row]:
    seeds = [seed for seed in snapshot.seeds if view.seed in (None, seed)]
    whole = _is_whole(snapshot) and len(wanted) == len(snapshot.epochs)
    wide = len(snapshot.epochs)
    rows = []
    first_lines = {persona_of(line): line for line in reversed(snapshot.sources)}
    for place, source in enumerate(snapshot.sources):
        label = snapshot.labels.get(source, source)
        if view.is_folded and first_lines[persona_of(source)] != source:
            continue
        if not view.filter.names(source, label):
            continue
        stacked = []
        for seed in seeds:
            cells: tuple[CellView | None, ...]
            if whole:
                first = (place * len(snapshot.seeds) + snapshot.seeds.index(seed)) * wide
                cells = tuple(snapshot.cells[first : first + wide])
            else:
                cells = tuple(view_at(snapshot, source, column, seed) for column in wanted)
            stacked.append(Row(source, seed, label, cells))
        if view.is_mean:
            means = mean_cells([row.cells for row in stacked], view.metric)
            stacked = [Row(source, seeds[0], label, means)]
        rows += stacked
    return rows


def _is_whole(snapshot: Snapshot) -> bool:
    """Whether every cell of the grid is there, so that a row is a slice."""
    grid = len(snapshot.sources) * len(snapshot.seeds) * len(snapshot.epochs)
    return len(snapshot.cells) == grid


def view_at(snapshot: Snapshot, source: str, column: int, seed: int) -> CellView | None:
    """Find a cell by arithmetic: cells lie in order of source, then seed, then epoch.

    Where cells are missing from the grid (results from elsewhere), look for it by name.
    """
    per_seed = len(snapshot.epochs)
    per_source = per_seed * len(snapshot.seeds)
    cell = Cell(source, snapshot.epochs[column], seed)
    place = snapshot.sources.index(source) * per_source
    place += snapshot.seeds.index(seed) * per_seed + column
    if place < len(snapshot.cells) and snapshot.cells[place].cell == cell:
        return snapshot.cells[place]
    if _is_whole(snapshot):
        return None
    return next((view for view in snapshot.cells if view.cell == cell), None)


def find(snapshot: Snapshot, cell: Cell) -> CellView | None:
    """Return the view of one cell, None when it is not in the snapshot."""
    try:
        return view_at(snapshot, cell.source, snapshot.epochs.index(cell.epoch), cell.seed)
    except ValueError:
        return None


def _is_seen(row: Row, chosen: Filter) -> bool:
    if not (chosen.states or chosen.comparisons or chosen.tags):
        return True
    return any(view is not None and chosen.wants(view) for view in row.cells)


def _sorted(rows: list[Row], view: View) -> list[Row]:
    if view.order is Order.NAME:
        return sorted(rows, key=lambda row: (row.label.lower(), row.seed))
    if view.order is Order.PEAK:
        return sorted(rows, key=lambda row: -_peak_value(row, view.metric))
    if view.order is Order.FAILURES:
        return sorted(rows, key=lambda row: -count_broken(row))
    return rows


def _peak_value(row: Row, metric: str) -> float:
    best = peak(row, metric)
    return float("-inf") if best is None else best[0]


def count_broken(row: Row) -> int:
    """Number of failed, lost and suspect cells of a row."""
    return sum(1 for view in row.cells if view is not None and view.state in BROKEN)


def series(row: Row, metric: str) -> list[float | None]:
    """Values along a row; None where there is no value to trust or to show."""
    return [
        view.value(metric) if view is not None and view.state in WITH_RESULT else None
        for view in row.cells
    ]


def peak(row: Row, metric: str) -> tuple[float, int] | None:
    """Return the largest value of a row and its column.

    Stale values do not count, nor do those that ran with other settings than the rest of the row.
    """
    odd = standing_apart([view for view in row.cells if view is not None], metric)
    found = [
        (value, column)
        for column, view in enumerate(row.cells)
        if view is not None
        and view.state is State.DONE
        and view.cell not in odd
        and (value := view.value(metric)) is not None
    ]
    return max(found, key=lambda pair: (pair[0], -pair[1])) if found else None


def next_broken(table: Table, row: int, column: int, step: int) -> tuple[int, int] | None:
    """Return the next (step 1) or previous (-1) failed, lost or suspect cell, going round."""
    wide = len(table.epochs)
    total = wide * len(table.rows)
    start = row * wide + column
    for distance in range(1, total + 1):
        place = (start + step * distance) % total
        view = table.rows[place // wide].cells[place % wide]
        if view is not None and view.state in BROKEN:
            return place // wide, place % wide
    return None
