"""Edits of single cells: as typed, checked against the schema, collected, written and compared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.grid.planned import SMALL, load
from tests.tui.building import plan_of
from tuilab.grid.cells import Cell
from tuilab.grid.edits import (
    Deviation,
    EditError,
    apart,
    behind,
    cell_edits,
    edited_before,
    edits_of,
    edits_text,
    from_json,
    listed,
    parse_edit,
    parse_edits,
    read_edits,
    sets_for,
    without,
)
from tuilab.grid.jobs import Plan
from tuilab.grid.planning import make_plan
from tuilab.grid.stages import Stage


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("marker.lr=1e-5", 1e-5),
        ("marker.positives = 4", 4),
        ("merge.keep_merged=true", True),
        ('marker.loss="tail"', "tail"),
        ("marker.loss=tail", "tail"),
        ("cosine.layers=[1, 2]", [1, 2]),
    ],
)
def test_values_are_read_as_toml_or_else_as_text(text: str, value: object) -> None:
    assert parse_edit(text)[1] == value


def test_all_unreadable_edits_are_named_at_once() -> None:
    with pytest.raises(EditError) as caught:
        parse_edits(["marker.lr", "=3", "eval.samples=3"])
    assert "'marker.lr' is not an edit" in str(caught.value)
    assert "'=3' is not an edit" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("marker.lrr=1", "unknown key (did you mean marker.lr?)"),
        ("sampels=3", "unknown key"),
        ("seeds=[1]", "same for the whole grid"),
        ("base.model=x", "same for the whole grid"),
        ("resources.workers=4", "same for the whole grid"),
        ("cosine.pool_name=x", "cosines of different pools cannot be compared"),
        ("marker.lr=fast", "valid number"),
        ("marker.lr=-1", "greater than 0"),
        ("marker.lr=inf", "must be a finite number"),
        ("marker.lr=[nan]", "must be a finite number"),
        ("marker.lr=2026-01-01", "must be a finite number"),
        ("marker=1", "unknown key"),
        ("marker.lora.rr=1", "did you mean marker.lora.r?"),
        ("eval.samples", "is not an edit"),
    ],
)
def test_an_edit_that_cannot_be_made_says_why(text: str, why: str) -> None:
    with pytest.raises(EditError) as caught:
        edits_of(load().config, parse_edits([text]))
    assert why in str(caught.value)


@pytest.mark.parametrize("text", ["marker.lr=2e-5", "marker.lora.r=8", "eval.batch_size=7"])
def test_a_possible_edit_has_nothing_against_it(text: str) -> None:
    config = load().config
    assert edits_of(config, parse_edits([text])) != config


def test_an_edited_config_differs_in_that_value_alone() -> None:
    config = load().config
    edited = edits_of(config, {"marker.lora.r": 8})
    assert edited.marker.lora.r == 8
    assert edited.model_copy(update={"marker": config.marker}) == config


def test_deviations_survive_their_file() -> None:
    kept = Deviation(("a@0#1",), {"marker.lr": 1e-5})
    assert from_json([kept.as_json()]) == (kept,)
    assert sets_for([kept], Cell("a", 0, 1)) == {"marker.lr": 1e-5}
    assert sets_for([kept], Cell("a", 1, 1)) == {}


def plan_with(*deviations: Deviation) -> Plan:
    return make_plan(load(SMALL).config, deviations=deviations)


def later(plan: Plan, source: str) -> list[Cell]:
    return [cell for cell in plan.cells if cell.source == source and cell.epoch > 0]


def test_a_plan_without_edits_has_no_edited_cell() -> None:
    assert cell_edits(plan_with()) == {}


def test_an_edit_of_one_cell_is_of_that_cell_alone() -> None:
    cell = plan_with().cells[0]
    assert cell_edits(plan_with(Deviation((str(cell),), {"marker.lr": 2e-3}))) == {
        cell: {"marker.lr": 2e-3}
    }


def test_an_edit_of_the_shared_convergence_is_of_every_cell_built_on_it() -> None:
    plan = plan_with()
    source = plan.sources[0]
    cells = [cell for cell in plan.cells if cell.source == source]
    first, *others = later(plan, source)
    edited = plan_with(
        Deviation(tuple(map(str, cells)), {"convergence.lr": 1e-3}),
        Deviation((str(first),), {"marker.lr": 2e-3}),
    )
    found = cell_edits(edited)
    assert set(found) == {first, *others}  # epoch 0 has no convergence adapter
    assert found[first] == {"convergence.lr": 1e-3, "marker.lr": 2e-3}
    assert all(found[cell] == {"convergence.lr": 1e-3} for cell in others)


def test_an_edit_to_the_value_of_the_config_is_none() -> None:
    config = load(SMALL).config
    cell = str(plan_with().cells[0])
    sets = {"marker.epochs": config.marker.epochs, "marker.lr": 2e-3}
    assert list(cell_edits(plan_with(Deviation((cell,), sets))).values()) == [{"marker.lr": 2e-3}]


def test_edits_survive_being_written() -> None:
    edits = {"marker.lr": 0.002, "marker.lora.target_modules": ["q", "v"], "eval.sampler": "hf"}
    assert read_edits(edits_text(edits)) == edits
    assert edits_text({"b.x": 1, "a.x": 2}) == "a.x=2; b.x=1"
    assert read_edits("") == {} and read_edits("seed=odd") == {"seed": "odd"}


def test_sampling_is_behind_no_cosine_and_layers_behind_no_rate() -> None:
    edits = {"marker.lr": 1, "eval.samples": 3, "cosine.layers": [2]}
    assert behind(edits, Stage.EVAL) == {"marker.lr": 1, "eval.samples": 3}
    assert behind(edits, Stage.COSINE) == {"marker.lr": 1, "cosine.layers": [2]}
    assert behind(edits, None) == edits


@pytest.mark.parametrize(
    ("ran", "left_out"),
    [
        ({}, ""),
        ({"a": (0, ""), "b": (2, "")}, ""),
        ({"a": (0, ""), "b": (2, "m.lr=1"), "c": (4, "")}, "b"),
        ({"a": (0, "m.lr=1"), "b": (2, "m.lr=1")}, ""),
        ({"a": (0, ""), "b": (2, "m.lr=1")}, "b"),
        ({"a": (0, "m.lr=1"), "b": (2, "")}, "a"),
        ({"a": (0, "m.lr=1"), "b": (2, "m.lr=2")}, "ab"),
        ({"a": (0, "m.lr=1"), "b": (0, "m.lr=2")}, "ab"),
        ({"a": (0, ""), "b": (2, "convergence.lr=1"), "c": (4, "convergence.lr=1")}, ""),
        ({"a": (0, "m.lr=1"), "b": (2, "convergence.lr=1; m.lr=1")}, ""),
        ({"a": (0, ""), "b": (2, "convergence.lr=1"), "c": (4, "")}, "b"),
    ],
)
def test_what_ran_alike_stays_together_and_otherwise_the_edited_stand_apart(
    ran: dict[str, tuple[int, str]], left_out: str
) -> None:
    assert apart(ran) == set(left_out)


def test_cells_are_named_by_what_they_ran_with() -> None:
    assert listed([("a@2#1", "x=1"), ("b@2#1", "x=2"), ("a@4#1", "x=1")]) == (
        "a@2#1, a@4#1 (x=1); b@2#1 (x=2)"
    )
    assert listed([(f"a@{n}", "x=1") for n in range(5)], limit=2) == "a@0, a@1 and 3 more (x=1)"


def test_edits_are_told_with_how_many_cells_carry_each() -> None:
    plan = plan_of(("villain",), (0, 2, 4))
    edits = {0: {"eval.samples": 3}, 2: {"eval.samples": 3, "marker.lr": 2e-3}}
    jobs = [replace(job, deviation=edits.get(job.epoch, {})) for job in plan.jobs]
    plan = replace(plan, jobs=tuple(jobs))
    zero, two, four = plan.cells
    assert told(plan, zero) == "edited before: eval.samples=3"
    assert told(plan, zero, two, four) == (
        "2 of 3 cells edited before: eval.samples=3 (2), marker.lr=0.002 (1)"
    )
    assert told(plan, four) == ""


def told(plan: Plan, *cells: Cell) -> str:
    return edited_before(cell_edits(plan, cells), cells)


def test_an_edit_of_a_shared_job_is_told_of_the_cells_that_it_changes() -> None:
    cells = [cell for cell in plan_with().cells if cell.source == plan_with().sources[0]]
    edited = plan_with(Deviation(tuple(map(str, cells)), {"convergence.lr": 1e-3}))
    zero, *others = cells
    assert told(edited, zero) == ""
    assert told(edited, *others) == "edited before: convergence.lr=0.001"


def test_cells_that_go_back_leave_the_edits_of_others() -> None:
    kept = without([Deviation(("a@0#1", "b@0#1"), {"x": 1}), Deviation(("a@0#1",), {})], ["a@0#1"])
    assert kept == (Deviation(("b@0#1",), {"x": 1}),)
