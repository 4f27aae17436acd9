"""Rows and columns of the grid: order, filter, peak, failures."""

from __future__ import annotations

from dataclasses import replace

from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.filters import parse_filter
from tuilab.tui.present.grid_table import View, arrange, next_broken, peak


def test_failures_are_visited_in_order_and_round(half_way: Snapshot) -> None:
    table = arrange(half_way, View())
    seen, place = [], (0, 0)
    for _ in range(4):
        found = next_broken(table, *place, 1)
        assert found is not None
        place = found
        seen.append(table.cell(*place))
    assert [str(cell) for cell in seen] == [
        "medical_doctor@16#42",
        "nurse@14#42",
        "nurse@16#42",
        "medical_doctor@16#42",
    ]


def test_the_peak_of_a_row_is_its_first_largest_measured_value(half_way: Snapshot) -> None:
    [row] = [row for row in arrange(half_way, View()).rows if row.source == "comedian"]
    best = peak(row, "assistant_leakage")
    assert best is not None
    assert (round(best[0], 2), best[1]) == (0.42, 3)


def of_lines(snapshot: Snapshot, *lines: str) -> Snapshot:
    """The snapshot with its first sources under other names, and no others."""
    names = dict(zip(snapshot.sources, lines, strict=False))
    cells = tuple(
        replace(view, cell=replace(view.cell, source=names[view.cell.source]))
        for view in snapshot.cells
        if view.cell.source in names
    )
    return replace(snapshot, sources=lines, cells=cells)


def test_folded_variants_show_one_line_of_each_source_and_keep_its_cells(
    half_way: Snapshot,
) -> None:
    shown = of_lines(half_way, "villain", "villain/B0", "nurse,marker.lr=0.001", "nurse/B0")
    table = arrange(shown, View(is_folded=True))
    assert [row.source for row in table.rows] == ["villain", "nurse,marker.lr=0.001"]
    for row in table.rows:
        assert all(view is not None and view.cell.source == row.source for view in row.cells)
    assert len(arrange(shown, View()).rows) == 4


def test_a_filter_takes_the_level_of_an_axis_however_its_number_is_typed(
    half_way: Snapshot,
) -> None:
    shown = of_lines(half_way, "villain", "villain,marker.lr=1e-05", "villain/B0")
    for text, line in (("marker.lr=0.00001", "villain,marker.lr=1e-05"), ("/b0", "villain/B0")):
        found = arrange(shown, View(filter=parse_filter(text)))
        assert [row.source for row in found.rows] == [line]
