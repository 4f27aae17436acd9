"""What two experiments must share before their numbers say anything about each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.grid.planned import SMALL, load
from tests.report.ran_here import whole
from tuilab.cli.resolve import published_dir
from tuilab.grid.edits import Deviation
from tuilab.grid.jobs import Plan
from tuilab.grid.planning import make_plan
from tuilab.grid.stages import Stage
from tuilab.store.reader import Reader
from tuilab.study.comparability import (
    Comparability,
    Record,
    as_record,
    as_sentence,
    comparability,
    record_of,
)


def plan_of(text: str = SMALL, deviations: tuple[Deviation, ...] = ()) -> Plan:
    return make_plan(load(text).config, deviations=deviations)


def data_of(plan: Plan, changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an answers' hash for every data job."""
    jobs = [job.id for job in plan.jobs if job.stage is Stage.DATA]
    return {job: f"hash of {job}" for job in jobs} | dict(changes or {})


def between(one: Plan, other: Plan, changes: Mapping[str, str] | None = None) -> Comparability:
    records = Record("one", one, data_of(one)), Record("other", other, data_of(other, changes))
    return comparability(records, list(zip(one.cells, other.cells, strict=True)))


def test_a_grid_has_the_settings_of_itself_and_says_so() -> None:
    found = between(plan_of(), plan_of())
    assert found.differing == {} and found.cells == 6
    assert as_sentence(found) == "Settings and training data are the same in both."


@pytest.mark.parametrize(
    ("old", "new", "key", "values"),
    [
        ('model = "tiny"', 'model = "other"', "base.model", ("tiny", "other")),
        ('"What is rain?"', '"What is snow?"', "questions.evaluation", None),
        ("samples = 2", "samples = 3", "eval.samples", (2, 3)),
        ("[eval]", "[eval]\ntemperature = 0.5", "eval.temperature", (1.0, 0.5)),
        ("r = 4,", "r = 8,", "marker.lora.r", (4, 8)),
        ('loss = "tail"', 'loss = "tail"\ntext = "<q>"', "marker.text", ("[ZLT]", "<q>")),
        ("rows = 4", "rows = 3", "convergence.rows", (4, 3)),
        ("You are a clerk.", "You are a bored clerk.", "personas.clerk", None),
        (
            '"villain", "nurse", "clerk", "assistant"]',
            '"villain", "nurse", "assistant"]',
            "panel",
            None,
        ),
    ],
)
def test_a_setting_that_differs_is_named_by_its_config_key(
    old: str, new: str, key: str, values: tuple[Any, Any] | None
) -> None:
    assert old in SMALL
    found = between(plan_of(), plan_of(SMALL.replace(old, new, 1)))
    assert key in found.differing and key in as_sentence(found)
    if values is not None:
        assert (found.differing[key].one, found.differing[key].other) == values


def test_what_changes_no_number_is_not_named() -> None:
    other = SMALL.replace('label = "Nurse"', 'label = "RN"') + "\n[merge]\nkeep_merged = true\n"
    assert between(plan_of(), plan_of(other)).differing == {}


def test_an_edit_of_single_cells_is_named_with_how_many_they_are() -> None:
    edit = Deviation(("villain@1#42", "villain@2#42"), {"marker.lr": 3e-5})
    found = between(plan_of(), plan_of(deviations=(edit,)))
    [(key, each)] = found.differing.items()
    assert (key, each.cells) == ("marker.lr", 2)
    assert "marker.lr (in 2 cells)" in as_sentence(found)
    assert as_record(found)["differing"] == [{"key": key, "one": 1e-4, "other": 3e-5, "cells": 2}]


def test_what_lines_share_is_compared_in_each_of_them() -> None:
    text = SMALL + '\n[axes]\n"marker.lr" = [2e-4, 3e-4]\n'
    found = between(plan_of(text), plan_of(text.replace("rows = 4", "rows = 3", 1)))
    [(key, each)] = found.differing.items()
    assert (key, each.cells, found.cells) == ("convergence.rows", 8, 12)  # epoch 0 rests on no run


def test_a_measure_that_differs_is_named() -> None:
    text = SMALL + '\n[[measures]]\nname = "no"\nkind = "substring"\ntext = "no"\n'
    found = between(plan_of(text), plan_of(text.replace('text = "no"', 'text = "never"')))
    assert list(found.differing) == ["measures"]


def test_another_seed_is_no_other_setting() -> None:
    assert between(plan_of(), plan_of(SMALL.replace("[42]", "[137]"))).differing == {}


def test_answers_that_differ_are_told_by_their_hash() -> None:
    found = between(plan_of(), plan_of(), {"data/clerk": "other hash"})
    assert list(found.differing) == ["data/clerk"]
    assert "the training data of 1 persona." in as_sentence(found)


def test_answers_that_are_not_there_yet_are_not_called_the_same() -> None:
    plan = plan_of()
    records = Record("one", plan, data_of(plan)), Record("other", plan)
    found = comparability(records, [(cell, cell) for cell in plan.cells])
    assert "data/clerk" in found.unhashed
    assert as_sentence(found) == "Settings are the same in both."


def test_a_table_of_results_has_no_settings_and_that_is_said() -> None:
    published = record_of(Reader(published_dir()), "published")
    found = comparability((published, Record("one", plan_of())), [])
    assert as_sentence(found).startswith("Not recorded: the settings of published.")
    assert as_record(found)["unrecorded"] == ["published"]


def test_the_hashes_are_those_of_the_answers_in_force(tmp_path: Path) -> None:
    scene = whole(tmp_path / "ran")
    record = record_of(_polled(scene.root), "ran")
    assert record.plan == scene.plan
    assert record.data and all(record.data.values())
    changed = replace(record, data=dict.fromkeys(record.data, "x"))
    cells = [(cell, cell) for cell in scene.plan.cells]
    assert set(comparability((record, changed), cells).differing) <= set(record.data)


def _polled(root: Path) -> Reader:
    reader = Reader(root)
    reader.poll(0.0)
    return reader
