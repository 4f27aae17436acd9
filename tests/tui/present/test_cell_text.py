"""What stands in one cell of the grid."""

from __future__ import annotations

import math

from tuilab.grid.cells import Cell
from tuilab.grid.metrics import Measurement
from tuilab.grid.states import State
from tuilab.store.snapshot import CellView
from tuilab.tui.present.cell_text import Zoom, cell_text
from tuilab.tui.present.glyphs import UNICODE

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
