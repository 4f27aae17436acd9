"""What stands in each cell of the grid, and its lines."""

from __future__ import annotations

import math

import pytest

from tuilab.grid.cells import Cell
from tuilab.grid.metrics import METRICS, Measurement
from tuilab.grid.states import State
from tuilab.store.snapshot import CellView, Snapshot
from tuilab.tui.present.glyphs import UNICODE
from tuilab.tui.present.grid_lines import cell_text, header_line, measure, row_line
from tuilab.tui.present.grid_table import View, Zoom, arrange
from tuilab.tui.present.styled_text import plain, width

CELL = Cell("villain", 2, 42)


def view(state: State, value: float | None = None, **more: object) -> CellView:
    metrics = {} if value is None else {"assistant_leakage": Measurement(value, 1, 2)}
    return CellView(CELL, state, "train", metrics=metrics, **more)  # type: ignore[arg-type]


def test_a_done_cell_shows_its_value_and_a_missing_one_is_never_zero() -> None:
    def text(one: CellView, zoom: Zoom = Zoom.VALUE) -> str:
        return cell_text(one, "assistant_leakage", zoom, UNICODE)[0]

    assert text(view(State.DONE, 0.734)) == "73%"
    assert text(view(State.DONE, 0.0)) == "0%"
    assert text(view(State.DONE)) == "n/a"
    assert text(view(State.DONE, math.nan)) == "n/a"
    assert text(view(State.STALE, 0.41)) == "~41%"
    assert text(view(State.DONE, 1.0), Zoom.DIGITS) == "100"
    assert text(view(State.DONE), Zoom.DIGITS) == "--"
    assert text(view(State.DONE, 0.0), Zoom.COLUMN) == "▁"
    assert text(view(State.DONE), Zoom.COLUMN) == "-"
    assert text(view(State.RUNNING, percent=62.4)) == "▶62%"


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


def test_the_heading_of_any_metric_is_whole(half_way: Snapshot) -> None:
    for metric in METRICS:
        table = arrange(half_way, View(metric=metric))
        line = plain(header_line(table, measure(table, 80), 0, -1, UNICODE))
        assert line.startswith(f" {METRICS[metric].heading} "), line


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
