"""The few numbers of a cell; what was not measured has no number, not even zero."""

from __future__ import annotations

from typing import Any

import pytest

from tuilab.grid.metrics import METRICS, Measurement, as_json, from_cosine, from_eval, read_back

LEAKAGE = {
    "villain": {"value": 0.95, "hits": 190, "n": 200},
    "assistant": {"value": 0.0, "hits": 0, "n": 200},
    "nun": {"value": 0.1, "hits": 20, "n": 200},
    "pirate": {"value": 0.1, "hits": 20, "n": 200},
}
HEADLINE = {"layer": 15, "pool": "11 personas", "model_state": "marked"}


def test_an_eval_gives_leakage_source_rate_and_the_largest_bystander() -> None:
    assert from_eval({"leakage": LEAKAGE}, "villain", "assistant") == {
        "assistant_leakage": Measurement(0.0, 0, 200),
        "source_rate": Measurement(0.95, 190, 200),
        "max_bystander": Measurement(0.1, 20, 200, "pirate"),
    }


@pytest.mark.parametrize(
    "missing", [{}, {"nurse": None}, {"nurse": {}}, {"nurse": {"hits": 0, "n": 0, "value": None}}]
)
def test_a_source_that_was_not_evaluated_has_no_rate(missing: dict[str, Any]) -> None:
    found = from_eval({"leakage": LEAKAGE | missing}, "nurse", "assistant")
    assert "source_rate" not in found


def test_an_outcome_without_leakage_gives_nothing() -> None:
    assert from_eval({}, "villain", "assistant") == {}


def test_the_headline_cosine_is_the_one_of_its_layer_pool_and_state() -> None:
    entries = [
        {**HEADLINE, "layer": 10, "value": 0.9},
        {**HEADLINE, "pool": "111 personas", "value": 0.8},
        {**HEADLINE, "model_state": "base", "value": 0.7},
        {**HEADLINE, "value": -0.36, "n": 20},
    ]
    assert from_cosine({"cosine": entries}, HEADLINE) == {"cosine": Measurement(-0.36, n=20)}
    assert from_cosine({"cosine": entries[:3]}, HEADLINE) == {}
    assert from_cosine({"cosine": [{**HEADLINE, "value": None}]}, HEADLINE) == {}
    assert from_cosine({}, HEADLINE) == {}


def test_measurements_survive_the_journal() -> None:
    found = from_eval({"leakage": LEAKAGE}, "villain", "assistant")
    assert read_back(as_json(found)) == found
    assert set(found) <= set(METRICS)


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"cosine": None},
        {"cosine": 3},
        {"cosine": {"value": None}},
        {"cosine": {"value": "high"}},
        {"cosine": {"value": float("nan")}},
        {"final_loss": 0.2},
    ],
)
def test_what_is_no_measurement_is_left_out(raw: dict[str, Any]) -> None:
    assert read_back(raw) == {}
