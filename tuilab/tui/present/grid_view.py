"""Decides how the view of the grid changes and says in words what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, stdev

from tuilab.contract.foreign import clean_line
from tuilab.grid.cells import Cell
from tuilab.grid.edits import EDITED
from tuilab.grid.metrics import METRICS, metric_after
from tuilab.grid.signs import ACCEPTED
from tuilab.grid.text import count_of
from tuilab.store.snapshot import CellView, Snapshot
from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.grid_lines import cell_text, is_edited
from tuilab.tui.present.grid_table import Order, Row, Table, View, Zoom
from tuilab.tui.present.seed_means import counts, standing_apart
from tuilab.tui.present.styled_text import Line, rule, width
from tuilab.tui.present.value_colour import legend


def next_metric(view: View, metrics: Sequence[str]) -> View:
    """Show the next of an experiment's metrics."""
    return replace(view, metric=metric_after(view.metric, metrics))


def next_zoom(view: View) -> View:
    """Show cells narrower, or wide again."""
    zooms = list(Zoom)
    return replace(view, zoom=zooms[(zooms.index(view.zoom) + 1) % len(zooms)])


def next_order(view: View) -> View:
    """Sort rows another way."""
    orders = list(Order)
    return replace(view, order=orders[(orders.index(view.order) + 1) % len(orders)])


def next_seed(view: View, seeds: Sequence[int]) -> View:
    """Go from all seeds stacked to their mean, then to each single seed and back."""
    stops = [(None, False), (None, True), *((seed, False) for seed in seeds)]
    here = (view.seed, view.is_mean)
    seed, is_mean = stops[(stops.index(here) + 1) % len(stops)] if here in stops else stops[0]
    return replace(view, seed=seed, is_mean=is_mean)


LEGEND_COLUMNS = 52
"""Width from which the rule under the grid has room for what the colours mean."""


def title_line(
    table: Table,
    marked: frozenset[Cell],
    seen: tuple[range, range],
    columns: int,
    glyphs: Glyphs,
) -> Line:
    """Write the rule under the grid: what is shown and how, then what the colours mean."""
    title, hint = words(table.view, table, marked, seen)
    unit = METRICS[table.view.metric].unit
    key = legend(unit, table.scale, table.view.tint, glyphs.tones)
    if not key or columns < LEGEND_COLUMNS:
        return rule(title, hint, columns, glyphs.stroke)
    if width(((title, ""),)) + 7 > columns - width(key) - 3:
        key = (key[0], *key[1:-1:2], key[-1])  # half of the colours say the same in half the room
    room = columns - width(key) - 3
    return (*rule(title, hint, room, glyphs.stroke), (" ", ""), *key, ("  ", ""))


def words(
    view: View, table: Table, marked: frozenset[Cell], seen: tuple[range, range]
) -> tuple[str, str]:
    """Return (title, hint) for the rule under the grid: what is shown and how.

    ``seen`` are the rows and the columns that fit on the screen.
    """
    title = METRICS[view.metric].title
    if view.is_mean:
        title += ", mean over seeds"
    if view.seed is not None:
        title += f", seed {view.seed}"
    if view.is_folded:
        title += ", variants folded"
    if view.order is not Order.CONFIG:
        title += f", by {view.order.value}"
    if view.filter:
        what = clean_line(view.filter.text, 30)
        title += f", filter {what}: {count_of(len(table.rows), 'row')}"
    hints = []
    rows, columns = seen
    if len(rows) < len(table.rows):
        hints.append(f"rows {rows.start + 1}-{rows.stop} of {len(table.rows)}")
    if 0 < len(columns) < len(table.epochs):
        first, last = table.epochs[columns.start], table.epochs[columns.stop - 1]
        hints.append(f"epochs {first}-{last} of {table.epochs[0]}-{table.epochs[-1]}")
    seen_cells = [
        cell
        for row in table.rows[rows.start : rows.stop]
        for cell in row.cells[columns.start : columns.stop]
    ]
    if any(cell is not None and is_edited(cell, view.metric) for cell in seen_cells):
        hints.append(f"{EDITED} edited")
    if any(cell is not None and cell.accepted_of(view.metric) for cell in seen_cells):
        hints.append(f"{ACCEPTED} accepted though stale")
    if marked:
        hints.append(f"{len(marked)} marked")
    if view.filter or marked:
        hints.append("esc clears")
    return title, "  ".join(hints)


def story_without_cell(
    snapshot: Snapshot, table: Table, place: tuple[int, int], glyphs: Glyphs
) -> tuple[Line, ...]:
    """Tell of the mean under the cursor, or say why no cell is there."""
    view, (row, column) = table.view, place
    if view.is_mean and table.rows and table.epochs:
        source, epoch = table.rows[row].source, table.epochs[column]
        return _mean_story(snapshot, source, epoch, view.metric, glyphs)
    if view.filter:
        return ((((" no cell matches the filter", "warn"),)), ((" esc clears it", "muted"),))
    if not snapshot.cells:
        return (
            ((" this experiment has no cells", "warn"),),
            ((" its config names no source or no epoch: tuilab plan checks it", "muted"),),
        )
    return ()


def _mean_story(
    snapshot: Snapshot, source: str, epoch: int, metric: str, glyphs: Glyphs
) -> tuple[Line, Line, Line]:
    """Tell of one mean: of how many seeds it is, their range, and what each of them has."""
    of_source = [view for view in snapshot.cells if view.cell.source == source]
    odd = standing_apart(of_source, metric)
    views = [view for view in of_source if view.cell.epoch == epoch]
    values = [view.value(metric) or 0.0 for view in views if counts(view, metric, odd)]
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


def why_no_cell(view: View) -> str:
    """Say why nothing can be done with what is under the cursor."""
    if view.is_mean:
        return "this is a mean over seeds; s shows single seeds"
    return "no cell here"


def row_name(row: Row, view: View, seeds: Sequence[int]) -> str:
    """Name the row whose trajectory is drawn, with its seed where there are several."""
    if len(seeds) < 2:
        return row.label
    return f"{row.label} mean" if view.is_mean else f"{row.label} #{row.seed}"


def rectangle(table: Table, one: tuple[int, int], other: tuple[int, int]) -> frozenset[Cell]:
    """Return the cells between two corners."""
    rows = range(min(one[0], other[0]), max(one[0], other[0]) + 1)
    columns = range(min(one[1], other[1]), max(one[1], other[1]) + 1)
    found = (table.cell(row, column) for row in rows for column in columns)
    return frozenset(cell for cell in found if cell is not None)
