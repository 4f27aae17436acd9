"""The lines of the grid."""

from __future__ import annotations

import pytest

from tuilab.grid.cells import Cell
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.cell_text import Zoom
from tuilab.tui.present.glyphs import UNICODE
from tuilab.tui.present.grid_lines import header_line, measure, row_line
from tuilab.tui.present.grid_table import View, arrange
from tuilab.tui.present.styled_text import plain, width


def test_the_first_lines_of_the_grid_read_as_designed(half_way: Snapshot) -> None:
    table = arrange(half_way, View())
    geometry = measure(table, 80)
    lines = [plain(header_line(table, geometry, 0, -1, UNICODE))] + [
        plain(row_line(table, n, geometry, 0, (1, 8), frozenset(), UNICODE)) for n in range(3)
    ]
    assert [line.rstrip() for line in lines] == [
        " leakage% ep    0    2    4    6    8   10   12   14   16   18   20   peak@ep",
        " Villain       0%  45%  41%  50%  66%  73%  60%  60%  58% ◐62%   ○     73%@10",
        "›Med Doctor   25%  58%  60%  53%  52%  50%  46%  42%  [✗]   ○    ○      60%@4",
        " Comedian      0%  37% ~40%  43%  37%  42%  40%  42%  39%  40%  42%     43%@6",
    ]


@pytest.mark.parametrize("columns", [40, 60, 80, 140])
@pytest.mark.parametrize("zoom", list(Zoom))
def test_no_line_of_the_grid_is_wider_than_its_screen(
    half_way: Snapshot, columns: int, zoom: Zoom
) -> None:
    table = arrange(half_way, View(zoom=zoom))
    geometry = measure(table, columns)
    marked = frozenset(one.cell for one in half_way.cells)
    for number in range(len(table.rows)):
        line = row_line(table, number, geometry, 0, (number, 3), marked, UNICODE)
        assert width(line) <= columns


def test_a_mark_touches_the_value_that_it_marks(half_way: Snapshot) -> None:
    table = arrange(half_way, View())
    marked = frozenset({Cell("villain", 0, 42), Cell("villain", 4, 42), Cell("comedian", 4, 42)})
    geometry = measure(table, 80)

    def row(number: int, here: tuple[int, int] | None = None) -> str:
        return plain(row_line(table, number, geometry, 0, here, marked, UNICODE))

    assert "•0%  45% •41%  50%" in row(0)
    assert "37%•~40%  43%" in row(2)
    assert "45%•[41%] 50%" in row(0, (0, 2))
