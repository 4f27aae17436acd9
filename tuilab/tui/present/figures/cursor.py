"""Moves a cursor through the points of a figure: along a series, between series, over squares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tuilab.grid.cells import Cell
from tuilab.tui.present.figures.canvas import finite
from tuilab.tui.present.figures.look import Spot

if TYPE_CHECKING:
    from tuilab.science.figures.model import Figure, HeatCell, Panel, PlotPoint, Series


def stops(figure: Figure) -> Iterator[Spot]:
    """Every place where the cursor can stand, panel by panel."""
    for number, panel in enumerate(figure.panels):
        if panel.matrix is not None:
            sizes = [len(panel.matrix.columns)] * len(panel.matrix.rows)
        else:
            sizes = [len(series.points) for series in panel.series]
        for row, size in enumerate(sizes):
            yield from (Spot(number, row, column) for column in range(size))


def cell_at(figure: Figure, spot: Spot) -> str:
    """Name the cell behind a place, such as ``villain@10#42``."""
    return square_at(figure, spot).cell if _is_heat(figure, spot) else point_at(figure, spot).cell


def point_at(figure: Figure, spot: Spot) -> PlotPoint:
    """Return the point under the cursor."""
    return series_at(figure, spot).points[spot.column]


def series_at(figure: Figure, spot: Spot) -> Series:
    """Return the series under the cursor."""
    return figure.panels[spot.panel].series[spot.row]


def square_at(figure: Figure, spot: Spot) -> HeatCell:
    """Return the square of a heatmap under the cursor."""
    matrix = figure.panels[spot.panel].matrix
    assert matrix is not None, "only a heatmap has squares"
    return matrix.cells[spot.row][spot.column]


def key_at(figure: Figure, spot: Spot) -> str:
    """Source key under the cursor."""
    return source_of(cell_at(figure, spot))


def source_of(cell: str) -> str:
    """Source in a cell's name."""
    return cell.rpartition("@")[0]


def cell_of(name: str, seed: int) -> Cell | None:
    """Read a cell's name; a mean over seeds has none of its own and takes ``seed``."""
    source, _, rest = name.rpartition("@")
    epoch, _, own = rest.partition("#")
    if not source or not epoch.isdigit():
        return None
    return Cell(source, int(epoch), int(own) if own.isdigit() else seed)


def spot_of(figure: Figure, cell: str) -> Spot | None:
    """Find a cell: itself, its source's nearest, else the first place; None in an empty figure."""
    wanted = cell.partition("#")[0]
    of_source: Spot | None = None
    first: Spot | None = None
    for spot in stops(figure):
        name = cell_at(figure, spot).partition("#")[0]
        if name == wanted:
            return spot
        first = first or spot
        if of_source is None and source_of(name) == source_of(wanted):
            of_source = spot
    return of_source or first


def along(figure: Figure, spot: Spot, step: int) -> Spot:
    """Move along the series, or from point to point of a scatter, to the left or right."""
    panel = figure.panels[spot.panel]
    if is_scatter(panel):
        order = sorted(range(len(panel.series)), key=lambda n: (panel.series[n].points[0].x, n))
        return Spot(spot.panel, _stepped(order, spot.row, step))
    last = _columns(panel, spot.row) - 1
    return Spot(spot.panel, spot.row, max(0, min(last, spot.column + step)))


def between(figure: Figure, spot: Spot, step: int) -> Spot:
    """Move to the series drawn next below (1) or above (-1), on into the next panel."""
    if _is_heat(figure, spot):
        return _next_row(figure, spot, step)
    panel = figure.panels[spot.panel]
    order = downward(panel)
    place = order.index(spot.row) + step
    if 0 <= place < len(order):
        return _kept(figure, spot, spot.panel, order[place])
    for number in range(spot.panel + step, len(figure.panels) if step > 0 else -1, step):
        others = downward(figure.panels[number])
        if others:
            return _kept(figure, spot, number, others[0 if step > 0 else -1])
    return spot


def downward(panel: Panel) -> list[int]:
    """Numbers of the series from top to bottom, as their labels stand at the lines' ends."""

    def height(number: int) -> tuple[float, int]:
        drawn = finite(panel.series[number].points)
        return (-drawn[-1][2] if drawn else float("inf"), number)

    return sorted((n for n, one in enumerate(panel.series) if one.points), key=height)


def is_scatter(panel: Panel) -> bool:
    """Whether every source is one point."""
    return bool(panel.series) and not any(series.is_line for series in panel.series)


def _kept(figure: Figure, spot: Spot, panel: int, row: int) -> Spot:
    last = _columns(figure.panels[panel], row) - 1
    return Spot(panel, row, max(0, min(last, spot.column)))


def _next_row(figure: Figure, spot: Spot, step: int) -> Spot:
    rows = [
        Spot(number, row, spot.column)
        for number, panel in enumerate(figure.panels)
        if panel.matrix is not None
        for row in range(len(panel.matrix.rows))
    ]
    return rows[max(0, min(len(rows) - 1, rows.index(spot) + step))]


def _stepped(order: list[int], here: int, step: int) -> int:
    return order[max(0, min(len(order) - 1, order.index(here) + step))]


def _columns(panel: Panel, row: int) -> int:
    return len(panel.matrix.columns) if panel.matrix is not None else len(panel.series[row].points)


def _is_heat(figure: Figure, spot: Spot) -> bool:
    return figure.panels[spot.panel].matrix is not None
