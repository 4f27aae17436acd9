"""The few numbers of a cell; what was not measured has no number, not even zero."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tuilab.grid.metrics import (
    COSINE,
    METRICS,
    MINUTES,
    POINTS,
    RATE,
    Measurement,
    Numbers,
    Unit,
    as_json,
    numbers_of,
    read_back,
    rows_of,
    time_of,
)
from tuilab.grid.stages import Stage

LEAKAGE = {
    "villain": {"value": 0.95, "hits": 190, "n": 200},
    "assistant": {"value": 0.0, "hits": 0, "n": 200},
    "nun": {"value": 0.1, "hits": 20, "n": 200},
    "pirate": {"value": 0.1, "hits": 20, "n": 200},
}
HEADLINE = {"layer": 15, "pool": "11 personas", "model_state": "marked"}


def found(stage: Stage, outcome: dict[str, Any], source: str = "villain") -> Numbers:
    return numbers_of(rows_of(stage, outcome), source, "assistant", HEADLINE)


def test_an_eval_gives_leakage_source_rate_and_the_largest_bystander() -> None:
    assert found(Stage.EVAL, {"leakage": LEAKAGE}) == {
        "assistant_leakage": Measurement(0.0, 0, 200),
        "source_rate": Measurement(0.95, 190, 200),
        "max_bystander": Measurement(0.1, 20, 200, "nun"),
        "target_excess": Measurement(-0.1),
    }


@pytest.mark.parametrize(
    "missing", [{}, {"nurse": None}, {"nurse": {}}, {"nurse": {"hits": 0, "n": 0, "value": None}}]
)
def test_a_source_that_was_not_evaluated_has_no_rate(missing: dict[str, Any]) -> None:
    assert "source_rate" not in found(Stage.EVAL, {"leakage": LEAKAGE | missing}, "nurse")


@pytest.mark.parametrize("outcome", [{}, {"leakage": None}, {"leakage": [1]}, {"cosine": 0.3}])
def test_an_outcome_without_leakage_gives_nothing(outcome: dict[str, Any]) -> None:
    assert found(Stage.EVAL, outcome) == {}


def test_the_headline_cosine_is_the_one_of_its_layer_pool_and_state() -> None:
    entries = [
        {**HEADLINE, "layer": 10, "value": 0.9},
        {**HEADLINE, "pool": "111 personas", "value": 0.8},
        {**HEADLINE, "model_state": "base", "value": 0.7},
        {**HEADLINE, "value": -0.36, "n": 20},
    ]
    assert found(Stage.COSINE, {"cosine": entries}) == {"cosine": Measurement(-0.36, n=20)}
    assert found(Stage.COSINE, {"cosine": entries[:3]}) == {}
    assert found(Stage.COSINE, {"cosine": [{**HEADLINE, "value": None}]}) == {}
    assert found(Stage.EVAL, {"cosine": entries}) == {}


def test_rows_of_a_table_give_the_same_numbers_as_an_outcome() -> None:
    rows = [*rows_of(Stage.EVAL, {"leakage": LEAKAGE}), {"metric": "minutes", "value": 2.0}]
    rows[1] = rows[1] | {"persona": None}  # a table may leave the target's name out
    expected = found(Stage.EVAL, {"leakage": LEAKAGE}) | time_of(120.0)
    assert numbers_of(rows, "villain", "assistant", HEADLINE) == expected


def test_measurements_survive_the_journal() -> None:
    numbers = found(Stage.EVAL, {"leakage": LEAKAGE})
    assert read_back(as_json(numbers)) == numbers
    assert set(numbers) <= set(METRICS)


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


@pytest.mark.parametrize(
    ("unit", "value", "narrow", "wide", "digits", "change"),
    [
        (RATE, 0.734, "73%", "73.4%", "73", "+73"),
        (RATE, 1.0, "100%", "100.0%", "100", "+100"),
        (COSINE, -0.3615, "-.36", "-0.362", "-36", "-.36"),
        (COSINE, 0.914, ".91", "+0.914", "91", "+.91"),
        (MINUTES, 0.7, "0.7", "0.7", "1", "+0.7"),
        (MINUTES, 134.2, "134", "134.2", "134", "+134.2"),
        (MINUTES, 123_456.0, "9999", "123456.0", "999", "+123456.0"),
        (POINTS, -0.45, "-45", "-45.0 pp", "-45", "-45"),
        (POINTS, 0.04, "4", "+4.0 pp", "4", "+4"),
        (Unit(high=100.0), 81.25, "81.3", "81.3", "81", "+81.3"),
    ],
)
def test_a_unit_writes_its_values(
    unit: Unit, value: float, narrow: str, wide: str, digits: str, change: str
) -> None:
    assert unit.narrow(value) == narrow and len(narrow) <= 4
    assert unit.wide(value) == wide
    assert unit.digits_alone(value) == digits
    assert unit.difference(value) == change
    assert unit.narrow(None) == unit.wide(None) == unit.difference(None) == "n/a"


def test_a_difference_of_rates_is_said_in_points() -> None:
    assert METRICS["target_excess"].said(Measurement(0.44)) == "excess +44 pp"
    assert METRICS["target_excess"].heading == "excess pp"
    assert RATE.said(0.44) == "44%" and COSINE.said(0.44) == ".44"


def test_a_rate_of_few_completions_is_written_without_decimals() -> None:
    assert RATE.wide(0.14, 50) == "14%" and RATE.wide(0.14, 200) == "14.0%"
    assert RATE.difference(0.14, is_wide=True, n=50) == "+14"
    assert COSINE.wide(0.14, 20) == "+0.140"  # n are the prompts behind a centroid


def test_a_unit_knows_its_axis() -> None:
    assert RATE.axis([0.2, None]) == (0.0, 1.0)
    assert COSINE.axis() == (-1.0, 1.0)
    assert [MINUTES.axis(values) for values in ([], [None], [0.0], [2.0, math.nan, 7.0])] == [
        (0.0, 60.0),
        (0.0, 60.0),
        (0.0, 60.0),
        (0.0, 7.0),
    ]
    assert [COSINE.height(0.0), MINUTES.height(30.0), MINUTES.height(90.0)] == [0.5, 0.5, 1.0]
