"""Edits as people type them: read, checked against the schema, refused with the reason."""

from __future__ import annotations

import pytest

from tests.grid.planned import load
from tuilab.grid.cells import Cell
from tuilab.grid.deviations import (
    Deviation,
    EditError,
    edits_of,
    from_json,
    parse_edit,
    parse_edits,
    sets_for,
)


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
