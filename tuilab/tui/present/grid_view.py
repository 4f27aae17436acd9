"""Decides how the view of the grid changes and says in words what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tuilab.grid.cells import Cell
from tuilab.grid.edits import EDITED
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.cell_text import SHOWN_METRICS, Zoom, is_edited
from tuilab.tui.present.pieces import Line
from tuilab.tui.present.rows import Order, Table, View, cycle_seed

_ZOOMS = (Zoom.VALUE, Zoom.DIGITS, Zoom.COLUMN)
_METRIC_WORDS = {
    "assistant_leakage": "assistant leakage",
    "source_rate": "source rate",
    "max_bystander": "max bystander",
    "cosine": "cosine",
    "minutes": "minutes",
}


def next_metric(view: View) -> View:
    """Show the next metric."""
    place = SHOWN_METRICS.index(view.metric)
    return replace(view, metric=SHOWN_METRICS[(place + 1) % len(SHOWN_METRICS)])


def next_zoom(view: View) -> View:
    """Show cells narrower, or wide again."""
    return replace(view, zoom=_ZOOMS[(_ZOOMS.index(view.zoom) + 1) % len(_ZOOMS)])


def next_order(view: View) -> View:
    """Sort rows another way."""
    orders = list(Order)
    return replace(view, order=orders[(orders.index(view.order) + 1) % len(orders)])


def next_seed(view: View, seeds: Sequence[int]) -> View:
    """Stack the seeds, or show the next one alone."""
    return cycle_seed(view, seeds)


def words(
    view: View, table: Table, marked: frozenset[Cell], seen: tuple[range, range]
) -> tuple[str, str]:
    """Return (title, hint) for the rule under the grid: what is shown and how.

    ``seen`` are the rows and the columns that fit on the screen.
    """
    title = _METRIC_WORDS[view.metric]
    if view.seed is not None:
        title += f", seed {view.seed}"
    if view.order is not Order.CONFIG:
        title += f", by {view.order.value}"
    if view.filter:
        title += f", filtered: {len(table.rows)} row" + "s" * (len(table.rows) != 1)
    hints = []
    rows, columns = seen
    if len(rows) < len(table.rows):
        hints.append(f"rows {rows.start + 1}-{rows.stop} of {len(table.rows)}")
    if 0 < len(columns) < len(table.epochs):
        first, last = table.epochs[columns.start], table.epochs[columns.stop - 1]
        hints.append(f"epochs {first}-{last} of {table.epochs[0]}-{table.epochs[-1]}")
    seen_cells = (
        cell
        for row in table.rows[rows.start : rows.stop]
        for cell in row.cells[columns.start : columns.stop]
    )
    if any(cell is not None and is_edited(cell, view.metric) for cell in seen_cells):
        hints.append(f"{EDITED} edited")
    if marked:
        hints.append(f"{len(marked)} marked")
    if view.filter or marked:
        hints.append("esc clears")
    return title, "  ".join(hints)


def empty_story(snapshot: Snapshot, view: View) -> tuple[Line, ...]:
    """Say why no cell is under the cursor."""
    if view.filter:
        return ((((" nothing passes the filter", "warn"),)), ((" esc clears it", "muted"),))
    if not snapshot.cells:
        return (
            ((" this experiment has no cells", "warn"),),
            ((" its config names no source or no epoch: tuilab plan checks it", "muted"),),
        )
    return ()


def toggle_row(table: Table, place: tuple[int, int], marked: frozenset[Cell]) -> frozenset[Cell]:
    """Mark a whole row, or unmark it when all of it is marked."""
    cells = rectangle(table, (place[0], 0), (place[0], len(table.epochs) - 1))
    return marked - cells if cells <= marked else marked | cells


def toggle_column(table: Table, place: tuple[int, int], marked: frozenset[Cell]) -> frozenset[Cell]:
    """Mark a whole column, or unmark it when all of it is marked."""
    cells = rectangle(table, (0, place[1]), (len(table.rows) - 1, place[1]))
    return marked - cells if cells <= marked else marked | cells


def rectangle(table: Table, one: tuple[int, int], other: tuple[int, int]) -> frozenset[Cell]:
    """Return the cells between two corners."""
    rows = range(min(one[0], other[0]), max(one[0], other[0]) + 1)
    columns = range(min(one[1], other[1]), max(one[1], other[1]) + 1)
    found = (table.cell(row, column) for row in rows for column in columns)
    return frozenset(cell for cell in found if cell is not None)
