"""The frame constructor accepts honest tables and lists everything wrong with the others."""

import pandas as pd
import pytest

from tests.science.builders import cosine_row, leakage_row, shuffled
from tuilab.science.frame import measurements
from tuilab.science.schema import COLUMNS, MeasurementsError
from tuilab.study.study import Study


def problems_of(rows: object, **options: object) -> str:
    with pytest.raises(MeasurementsError) as caught:
        measurements(rows, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_columns_are_filled_from_one_another() -> None:
    frame = measurements([{"source": "a", "epoch": "0", "metric": "leakage", "hits": 3, "n": 10}])
    [row] = frame.to_dict("records")
    assert list(frame.columns) == list(COLUMNS)
    assert (row["value"], row["seed"], row["persona"], row["status"]) == (
        0.3,
        0,
        "assistant",
        "measured",
    )


def test_hits_are_derived_from_a_printed_percentage() -> None:
    row = {"source": "a", "epoch": 0, "metric": "leakage", "value": 73.2, "n": 600}
    frame = measurements([row], unit="percent")
    assert frame.loc[0, "hits"] == 439
    assert frame.loc[0, "value"] == pytest.approx(0.732)


def test_percent_touches_rates_only() -> None:
    frame = measurements([leakage_row("a", 0, 3, 10), cosine_row("a", 0, 0.5)], unit="percent")
    assert sorted(frame["value"]) == pytest.approx([0.3, 0.5])


def test_a_blank_value_is_missing_and_not_zero() -> None:
    for blank in ("", None, "n/a", "NaN", float("nan")):
        frame = measurements([{"source": "a", "epoch": 0, "metric": "leakage", "value": blank}])
        assert frame.loc[0, "status"] == "missing"
        assert pd.isna(frame.loc[0, "value"])


def test_an_empty_table_is_a_frame_unless_rows_are_demanded() -> None:
    assert list(measurements([]).columns) == list(COLUMNS)
    assert "no rows" in problems_of(measurements([]), may_be_empty=False)


def test_every_problem_is_reported_at_once_with_its_row() -> None:
    rows = [
        {"source": "a", "epoch": "ten", "metric": "leakage", "value": 0.1},
        {"source": "a", "epoch": 0, "metric": "leakage", "value": 73.2},
        {"source": "a", "epoch": 2, "metric": "leakage", "value": 0.5, "n": 0},
        {"source": "a", "epoch": 4, "metric": "leekage", "value": 0.5},
        {"source": "a", "epoch": 6, "metric": "leakage", "value": "abc"},
    ]
    text = problems_of(rows)
    assert text.startswith("5 problems in the measurements: ")
    assert "row 1, epoch: 'ten' is not a whole number" in text
    assert "row 2, value: leakage 73.2 is above 1 (is the table in percent?)" in text
    assert "row 3, n: n = 0" in text
    assert "row 4, metric: unknown metric 'leekage'; known metrics: leakage" in text
    assert "row 5, value: 'abc' is not a number" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"value": float("nan"), "status": "measured"}, "NaN"),
        ({"value": 0.0, "status": "missing"}, "not even 0"),
        ({"value": float("inf")}, "finite"),
        ({"value": -0.1}, "below 0"),
        ({"hits": 11, "n": 10}, "11 hits do not fit"),
        ({"value": 0.3, "hits": 3}, "without n"),
        ({"value": 0.9, "hits": 3, "n": 10}, "0.9 is not 3 hits of 10"),
        ({"value": 0.5, "status": "perhaps"}, "'perhaps' is not one of"),
        ({"value": 0.5, "epoch": -2}, "below 0"),
        ({"value": 0.5, "epoch": 2.5}, "not a whole number"),
        ({"value": 0.5, "source": ""}, "source: is empty"),
        ({"value": 0.5, "metric": "cosine"}, "needs the layer"),
        ({"value": 0.5, "metric": "cosine", "layer": 15}, "needs the pool"),
        ({"value": 0.5, "model_state": "merged"}, "'merged' is not one of"),
        ({"value": 0.5, "colour": "red"}, "unknown column"),
    ],
)
def test_a_bad_row_is_named_in_a_sentence(change: dict[str, object], said: str) -> None:
    assert said in problems_of([{"source": "a", "epoch": 0, "metric": "leakage"} | change])


def test_leakage_above_a_hundred_percent_is_refused() -> None:
    row = {"source": "a", "epoch": 0, "metric": "leakage", "value": 101}
    assert "above 100 percent" in problems_of([row], unit="percent")


def test_a_missing_column_is_named() -> None:
    text = problems_of([{"source": "a", "value": 0.5}])
    assert "column 'epoch' is missing" in text and "column 'metric' is missing" in text
    assert "give a value column" in problems_of([{"source": "a", "epoch": 0, "metric": "leakage"}])


def test_duplicates_name_the_row_they_repeat() -> None:
    rows = [leakage_row("b", 0, 1), leakage_row("a", 0, 1), leakage_row("a", 0, 2)]
    assert "row 3: repeats row 2" in problems_of(rows)


def test_mixed_pools_are_refused_and_several_layers_are_not() -> None:
    mixed = [cosine_row("a", 0, 0.5), cosine_row("b", 0, 0.6, pool="111 personas")]
    text = problems_of(mixed)
    assert "mixed pools at layer 15 (marked): '111 personas' beside '11 personas'" in text
    assert len(measurements([cosine_row("a", 0, 0.5), cosine_row("a", 0, 0.6, layer=20)])) == 2


def test_a_long_list_of_problems_is_cut_in_words_but_not_in_data() -> None:
    rows = [leakage_row("a", epoch, 1, n=0) for epoch in range(30)]
    with pytest.raises(MeasurementsError) as caught:
        measurements(rows)
    assert len(caught.value.problems) == 30
    assert "and 10 more" in str(caught.value)


@pytest.mark.parametrize("seed", range(3))
def test_row_order_changes_nothing(card: Study, seed: int) -> None:
    pd.testing.assert_frame_equal(measurements(shuffled(card.frame, seed)), card.frame)


def test_a_frame_is_a_fixed_point(card: Study) -> None:
    pd.testing.assert_frame_equal(measurements(card.frame), card.frame)
