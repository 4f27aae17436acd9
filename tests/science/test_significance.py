"""Tests, their correction, and the gap between two experiments."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.science.builders import analysis_of, trajectory
from tuilab.science.intervals import difference
from tuilab.science.questions import Questions
from tuilab.science.significance import Gap, gaps, holm, overdispersion
from tuilab.science.trajectories import Point


def test_holm_reproduces_a_worked_example() -> None:
    # Four tests: 0.01 x 4, then 0.02 x 3, 0.03 x 2 raised to keep order, 0.04 x 1 likewise.
    assert holm([0.01, 0.04, 0.03, 0.02]) == pytest.approx([0.04, 0.06, 0.06, 0.06])


def test_planned_tests_without_a_result_count_as_no_evidence() -> None:
    assert holm([0.01, 0.02], family=10) == pytest.approx([0.10, 0.18])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_makes_a_p_value_smaller_and_keeps_their_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= one <= 1 for p, one in zip(p_values, adjusted, strict=True))
    ordered = [one for _, one in sorted(zip(p_values, adjusted, strict=True))]
    assert ordered == sorted(ordered)


def test_dispersion_is_near_one_for_equal_rates_and_large_for_a_trend() -> None:
    same = overdispersion(trajectory([0.5, 0.29, 0.31, 0.30, 0.30]))
    trend = overdispersion(trajectory([0.5, 0.1, 0.3, 0.5, 0.7]))
    assert same is not None and same.ratio < 1 and same.df == 3
    assert trend is not None and trend.ratio > 20 and trend.p < 1e-6
    assert overdispersion(trajectory([0.5, 0.0, 0.0, 0.0])) is None


@settings(max_examples=5)
@given(st.data())
def test_a_missing_cell_of_one_source_changes_nothing_about_another(data: st.DataObject) -> None:
    epochs = (0, 2, 4)
    counts = st.lists(st.one_of(st.none(), st.integers(0, 200)), min_size=3, max_size=3)
    stays, loses = data.draw(counts), data.draw(counts)
    index = data.draw(st.integers(0, 2))
    holed = [None if place == index else hits for place, hits in enumerate(loses)]
    before = analysis_of({"stays": stays, "loses": loses}, epochs).source("stays")
    after = analysis_of({"stays": stays, "loses": holed}, epochs).source("stays")
    assert before == after


def rate(hits: int, n: int = 200) -> Point:
    return Point(0, hits / n, hits=hits, n=n)


def only(one: Point, other: Point) -> Gap:
    [gap] = gaps([(one, other)])
    assert gap is not None
    return gap


def test_a_gap_is_the_others_number_minus_the_ones() -> None:
    gap = only(rate(20), rate(60, 100))
    assert gap.interval == difference(60, 100, 20, 200)
    assert 0.5 in gap.interval and gap.interval.low > 0
    assert gap.is_beyond_chance


def test_what_one_side_lacks_is_no_gap_and_makes_no_other_look_larger() -> None:
    near = (rate(20), rate(36))
    alone = only(*near)
    found = gaps([near, (None, rate(7)), (rate(7), None), (None, None)])
    assert found[1:] == [None, None, None]
    assert found[0] is not None
    assert found[0].p == alone.p == alone.p_holm
    assert found[0].p_holm == pytest.approx(4 * alone.p_holm)
    assert alone.is_beyond_chance and not found[0].is_beyond_chance


def test_fishers_lady_is_not_beyond_chance() -> None:
    """Fisher's own tea: 3 of 4 against 1 of 4 has a two-sided p of 0.486."""
    gap = only(rate(1, 4), rate(3, 4))
    assert gap.p == pytest.approx(0.4857, abs=1e-4)
    assert not gap.is_beyond_chance


def test_equal_rates_have_an_interval_around_zero() -> None:
    gap = only(rate(0), rate(0))
    assert gap.p == 1.0
    assert gap.interval.low < 0 < gap.interval.high


def test_a_cosine_has_neither_interval_nor_test() -> None:
    assert gaps([(Point(0, -0.2, n=20), Point(0, 0.1, n=20))]) == [None]


def test_a_gap_is_paired_only_where_both_answered_the_same_questions() -> None:
    def asked(name: str, extra: int = 0) -> Point:
        hits = tuple(8 + extra if place % 2 else extra for place in range(20))
        own = Questions(hits, 10, name)
        return Point(0, own.rate, hits=sum(hits), n=own.n, interval=own.interval, questions=own)

    paired, apart = only(asked("a"), asked("a", 1)), only(asked("a"), asked("b", 1))
    assert "paired" in paired.interval.method and "paired" not in apart.interval.method
    assert paired.interval.low > 0 > apart.interval.low
    assert apart.interval.method == "Newcombe over 20 questions"
