"""A grid runs to its end with real processes and a fast fake runner."""

from __future__ import annotations

from tests.engine.trials import make_plan


def test_a_grid_runs_to_its_end_and_the_engine_leaves(trial) -> None:
    grid = trial(make_plan(("villain", "nurse"), (0, 2)), workers=2)
    grid.ask("run")
    assert grid.run("--go") == 0
    assert grid.all_done()
    assert len(grid.lines("settled")) == len(grid.lines("claimed"))
