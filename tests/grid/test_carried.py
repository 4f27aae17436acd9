"""Edits that cells carry from earlier relaunches, in words."""

from __future__ import annotations

from dataclasses import replace

from tests.tui.building import plan_of
from tuilab.grid.carried import carried, carried_words
from tuilab.grid.deviations import Deviation, without


def test_edits_are_told_with_how_many_cells_carry_each() -> None:
    plan = plan_of(("villain",), (0, 2, 4))
    edits = {0: {"eval.samples": 3}, 2: {"eval.samples": 3, "marker.lr": 2e-3}}
    jobs = [replace(job, deviation=edits.get(job.epoch, {})) for job in plan.jobs]
    plan = replace(plan, jobs=tuple(jobs))
    zero, two, four = plan.cells
    found = carried(plan, plan.cells)
    assert set(found) == {zero, two}
    assert carried_words(carried(plan, [zero]), [zero]) == "edited before: eval.samples=3"
    told = "2 of 3 cells edited before: eval.samples=3 (2), marker.lr=0.002 (1)"
    assert carried_words(found, plan.cells) == told
    assert carried_words(carried(plan, [four]), [four]) == ""


def test_cells_that_go_back_leave_the_edits_of_others() -> None:
    kept = without([Deviation(("a@0#1", "b@0#1"), {"x": 1}), Deviation(("a@0#1",), {})], ["a@0#1"])
    assert kept == (Deviation(("b@0#1",), {"x": 1}),)
