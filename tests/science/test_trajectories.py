"""The numbers read off one trajectory, and what must be true of them whatever the values."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.science.builders import trajectory
from tuilab.science.significance import against_baseline, overdispersion
from tuilab.science.trajectories import Point, Trajectory

RATE = st.integers(0, 200).map(lambda hits: hits / 200)
VALUES = st.lists(st.one_of(st.none(), RATE), min_size=2, max_size=12)


def test_equal_maxima_take_the_earliest_epoch() -> None:
    assert trajectory([0.1, 0.5, 0.3, 0.5]).peak_epoch == 2


def test_a_suspect_or_stale_value_is_shown_and_counts_nowhere() -> None:
    run = trajectory([0.1, 0.2, 0.9, 0.3])
    for status in ("suspect", "stale"):
        points = tuple(
            replace(point, status=status) if point.epoch == 4 else point for point in run.points
        )
        marked = Trajectory("villain", 0, points)
        assert (marked.peak, marked.picked_from, marked.later_measured) == (0.3, 3, 2)
        point = marked.at(4)
        assert point is not None and point.value == 0.9 and point.counted is None
        assert [test.epoch for test in against_baseline(marked)] == [2, 6]


def test_an_unplanned_epoch_has_no_value() -> None:
    run = trajectory([0.1, 0.5])
    assert run.at(3) is None and run.value_at(3) is None


def test_scatter_ignores_a_slow_trend_and_sees_noise() -> None:
    trend = trajectory([0.0, 0.10, 0.12, 0.14, 0.16, 0.18]).scatter
    noise = trajectory([0.0, 0.10, 0.30, 0.10, 0.30, 0.10]).scatter
    assert trend == pytest.approx(0.02 / 2**0.5)
    assert noise == pytest.approx(0.2 / 2**0.5)
    assert trajectory([0.0, 0.1, 0.2]).scatter is None


@given(VALUES)
def test_the_peak_is_never_below_any_measured_value(values: list[float | None]) -> None:
    run = trajectory(values)
    known = [value for value in values if value is not None]
    assert run.peak == max(known, default=None)
    assert run.picked_from == len(known)


@given(VALUES, st.data())
def test_losing_a_later_value_changes_no_other_test(
    values: list[float | None], data: st.DataObject
) -> None:
    index = data.draw(st.integers(1, len(values) - 1))
    run, reduced = trajectory(values), trajectory([*values[:index], None, *values[index + 1 :]])
    kept = {test.epoch: test for test in against_baseline(run) if test.epoch != 2 * index}
    left = {test.epoch: test for test in against_baseline(reduced)}
    assert left.keys() == kept.keys()
    for epoch, test in left.items():
        assert (test.p, test.difference) == (kept[epoch].p, kept[epoch].difference)
        # A test that is gone counts as p = 1, so no other may become more significant.
        assert test.p_holm >= kept[epoch].p_holm


@given(VALUES)
def test_dispersion_is_undefined_rather_than_infinite(values: list[float | None]) -> None:
    found = overdispersion(trajectory(values))
    if found is not None:
        assert found.chi_square >= 0 and found.df >= 1 and 0 <= found.p <= 1


def test_values_without_counts_are_shown_and_not_tested() -> None:
    run = Trajectory("villain", 0, (Point(0, 0.1), Point(2, 0.9)))
    assert against_baseline(run) == () and overdispersion(run) is None
