"""Which cells ran with settings unlike the config's, and which of them stand apart."""

from __future__ import annotations

import pytest

from tests.grid.planned import SMALL, load
from tuilab.grid.cells import Cell
from tuilab.grid.deviations import Deviation
from tuilab.grid.edits import apart, behind, cell_edits, edits_text, listed, read_edits
from tuilab.grid.jobs import Plan
from tuilab.grid.planning import make_plan


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
    assert behind(edits, is_cosine=False) == {"marker.lr": 1, "eval.samples": 3}
    assert behind(edits, is_cosine=True) == {"marker.lr": 1, "cosine.layers": [2]}


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
