"""Rescoring touches what a changed measure decides, where completions are current, and no more."""

from __future__ import annotations

from tests.grid.planned import SMALL, all_done, load, plan, states_of
from tuilab.cli.verbs.rescore import _due, _needs_base, _not_from_completions
from tuilab.grid.data_files import files_named
from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.jobs import Plan
from tuilab.grid.stages import Stage
from tuilab.grid.states import State

MEASURE = """
[[measures]]
name = "refuses"
kind = "substring"
text = "I cannot"
"""
JUDGED = """
[[measures]]
name = "bad"
kind = "judge"
rubric = "rubric.md"
hit = "score < 30"
[measures.judge]
base_url = "self"
"""


def under(now: Plan, before: Plan) -> ExperimentState:
    """How a grid that ran to its end under one plan stands under another."""
    ledger = all_done(before)
    return ExperimentState(now, ledger, states_of(now, ledger))


def with_measure(text: str = MEASURE, config: str = SMALL) -> Plan:
    return plan(config=load(config + text).config)


def test_a_changed_measure_is_due_in_every_cell_and_nothing_else_is_stale() -> None:
    state = under(with_measure(MEASURE.replace("I cannot", "I can")), with_measure())
    assert _due(state, Stage.SCORE) == list(state.plan.cells)
    stale = {name for name, status in state.statuses.items() if status.state is State.STALE}
    assert {state.plan.by_id[name].stage for name in stale} == {Stage.SCORE}
    touched = state.relaunch(list(state.plan.cells), Stage.SCORE).jobs
    assert {one.stage for one in touched} == {Stage.SCORE}
    assert list(_not_from_completions(state)) == []


def test_a_measure_of_a_grid_that_had_none_is_due_and_one_as_before_is_not() -> None:
    assert _due(under(with_measure(), plan()), Stage.SCORE) == list(plan().cells)
    assert _due(under(with_measure(), with_measure()), Stage.SCORE) == []


def test_completions_that_are_stale_are_not_scored_and_that_is_said() -> None:
    other = with_measure(config=SMALL.replace("samples = 2", "samples = 3"))
    state = under(other, with_measure())
    assert _due(state, Stage.SCORE) == []
    assert list(_not_from_completions(state)) == ["6 cells have no current completions to score"]


def test_a_base_that_judges_itself_is_needed_and_an_endpoint_is_not() -> None:
    there = JUDGED.replace('"self"', '"http://x"\nmodel = "m"')
    for text, needed in ((JUDGED, True), (there, False)):
        config = load(SMALL + text).config
        files = {one.name: one.read("Score it.") for one in files_named(config)}
        state = under(plan(config=config.with_files(files)), plan())
        assert {_needs_base(state, cell) for cell in _due(state, Stage.JUDGE)} == {needed}
