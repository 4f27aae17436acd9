"""Which log is shown for a cell."""

from __future__ import annotations

from tuilab.grid.cells import Cell
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.grid_table import find
from tuilab.tui.present.log_choice import log_of


def test_the_log_that_speaks_is_the_one_shown(half_way: Snapshot) -> None:
    def log(cell: Cell) -> tuple[str, int] | None:
        one = find(half_way, cell)
        assert one is not None
        return log_of(half_way, one)

    assert log(Cell("medical_doctor", 16, 42)) == ("eval/medical_doctor@16#42", 2)
    assert log(Cell("villain", 10, 42)) == ("eval/villain@10#42", 1)
    assert log(Cell("librarian", 20, 42)) is None
