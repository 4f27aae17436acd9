"""Intervals: against published examples, and containing what they are about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tuilab.science.intervals import difference, joined, over_seeds, wilson
from tuilab.science.questions import Questions, design_effect, paired_difference

COUNTS = st.integers(1, 600).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS)
def test_wilson_contains_the_estimate_and_stays_in_range(counts: tuple[int, int]) -> None:
    hits, n = counts
    interval = wilson(hits, n)
    assert hits / n in interval
    assert 0 <= interval.low <= interval.high <= 1


@given(COUNTS)
def test_wilson_is_what_scipy_computes(counts: tuple[int, int]) -> None:
    limits = stats.binomtest(*counts).proportion_ci(0.95, method="wilson")
    found = wilson(*counts)
    assert (found.low, found.high) == pytest.approx((limits.low, limits.high), abs=1e-12)


@given(COUNTS, COUNTS)
def test_the_difference_interval_contains_the_difference(
    ours: tuple[int, int], theirs: tuple[int, int]
) -> None:
    interval = difference(*ours, *theirs)
    gap = ours[0] / ours[1] - theirs[0] / theirs[1]
    assert interval.low - 1e-12 <= gap <= interval.high + 1e-12
    assert interval.low >= -1 - 1e-12 and interval.high <= 1 + 1e-12


def test_the_difference_interval_reproduces_newcombes_example() -> None:
    # Newcombe 1998, Table II, contrast a (56/70 - 48/80), method 10.
    interval = difference(56, 70, 48, 80)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.0524, 0.3339)


def test_nothing_of_nothing_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="n must be positive"):
        wilson(0, 0)


def test_the_interval_over_seeds_is_students() -> None:
    # Mean 2, standard error 1/sqrt(3), t(0.975, 2) = 4.3027.
    interval = over_seeds([1.0, 2.0, 3.0])
    assert interval is not None and interval.method == "t over 3 seeds"
    assert interval.low == pytest.approx(2 - 4.30265 / 3**0.5, abs=1e-4)
    bounded = over_seeds([0.025, 0.31, 0.63], 0.0, 1.0)
    assert bounded is not None and (bounded.low, bounded.high) == (0.0, pytest.approx(1.0, abs=0.1))
    assert over_seeds([0.5]) is None


QUESTIONS = st.lists(st.integers(0, 10), min_size=2, max_size=20)


@given(QUESTIONS)
def test_the_interval_over_questions_contains_the_rate_and_is_no_narrower_than_wilson(
    hits: list[int],
) -> None:
    found = Questions(tuple(hits), 10)
    interval = found.interval
    assert found.rate in interval
    alone = wilson(sum(hits), found.n)
    assert interval.high - interval.low >= alone.high - alone.low


def test_whole_questions_that_agree_are_worth_one_answer_each() -> None:
    assert design_effect(100, 200, 20, 1000) == 10
    assert design_effect(60, 200, 20, 20 * 9) == 1
    assert design_effect(0, 200, 20, 0) == 1


def test_zero_is_impossible_after_three_hits() -> None:
    # Resampled questions gave [0, 12] here.
    interval = Questions((1, 1, 1, 0, 0, 0, 0, 0, 0, 0), 5).interval
    assert interval.low > 0.01


def test_one_question_has_the_interval_of_its_answers() -> None:
    assert Questions((3,), 10).interval == wilson(3, 10)


def test_pairing_by_question_narrows_what_the_same_questions_share() -> None:
    # Easy questions are easy before and after: only the change within each is left.
    before, after = Questions((9, 8, 1, 0) * 5, 10), Questions((10, 10, 3, 2) * 5, 10)
    paired = paired_difference(after, before)
    assert paired is not None
    unpaired = joined((after.rate, after.interval), (before.rate, before.interval), 0.0, "")
    assert paired.high - paired.low < (unpaired.high - unpaired.low) / 2
    assert after.rate - before.rate in paired


def test_other_questions_cannot_be_paired() -> None:
    assert paired_difference(Questions((1, 2), 10), Questions((1, 2, 3), 10)) is None


def test_questions_that_agree_in_every_answer_are_no_certainty() -> None:
    alike = Questions((10, 0) * 10, 10)
    paired, counting = paired_difference(alike, alike), difference(100, 200, 100, 200)
    assert paired is not None and (paired.low, paired.high) == (counting.low, counting.high)
