"""Rows and columns of the grid: order, filter, peak, failures."""

from __future__ import annotations

from tuilab.store.snapshot import Snapshot
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
