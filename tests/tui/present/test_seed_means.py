"""A mean over seeds says of how many it is; what was not measured is no zero in it."""

from __future__ import annotations

from dataclasses import replace

from tuilab.grid.cells import Cell
from tuilab.grid.metrics import Measurement, time_of
from tuilab.grid.states import State
from tuilab.store.snapshot import CellView
from tuilab.tui.present.glyphs import UNICODE
from tuilab.tui.present.grid_lines import cell_text
from tuilab.tui.present.grid_table import View, Zoom
from tuilab.tui.present.grid_view import next_seed
from tuilab.tui.present.seed_means import mean_cells

LEAKAGE = "assistant_leakage"


def at(seed: int, value: float | None, state: State = State.DONE, **more: object) -> CellView:
    metrics = {} if value is None else {LEAKAGE: Measurement(value, 1, 2)}
    return CellView(Cell("villain", 2, seed), state, "eval", metrics=metrics, **more)  # type: ignore[arg-type]


def shown(*seeds: CellView | None, metric: str = LEAKAGE) -> str:
    [view] = mean_cells([(one,) for one in seeds], metric)
    return "" if view is None else cell_text(view, metric, Zoom.VALUE, UNICODE)[0]


def test_a_mean_is_over_the_seeds_that_are_measured() -> None:
    assert shown(at(1, 0.1), at(2, 0.3)) == "20%"
    assert shown(at(1, 0.1), at(2, None)) == "10%"
    assert shown(at(1, 0.1), at(2, 0.9, State.STALE)) == "10%"
    assert shown(at(1, 0.0), at(2, 0.0)) == "0%"
    assert shown(at(1, 0.1), None) == "10%"


def test_without_a_measured_seed_it_shows_what_says_most() -> None:
    assert shown(at(1, None), at(2, None)) == "n/a"
    assert shown(at(1, None, State.IDLE), at(2, None, State.FAILED)) == "✗"
    assert shown(at(1, None, State.QUEUED), at(2, None, State.RUNNING)) == "◐"
    assert shown(None, None) == ""


def test_minutes_have_a_mean_too() -> None:
    one, other = (
        replace(at(seed, None), metrics=time_of(seconds)) for seed, seconds in ((1, 60), (2, 180))
    )
    assert shown(one, other, metric="minutes") == "2.0"


def test_a_seed_with_other_settings_is_left_out_unless_all_have_them() -> None:
    edits = {"marker.lr": 0.002}
    assert shown(at(1, 0.1), at(2, 0.9, edits=edits)) == "10%"
    assert shown(at(1, 0.1, edits=edits), at(2, 0.9, edits=edits)) == "†50%"


def test_s_goes_round_stacked_mean_and_every_seed() -> None:
    view, seen = View(), []
    for _ in range(4):
        view = next_seed(view, (42, 137))
        seen.append((view.seed, view.is_mean))
    assert seen == [(None, True), (42, False), (137, False), (None, False)]
