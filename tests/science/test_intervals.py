"""Intervals: against published examples, and containing what they are about."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.science.builders import shuffled
from tuilab.science.bootstrap import bootstrap_cells, cluster_bootstrap
from tuilab.science.intervals import difference, over_seeds, wilson

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


QUESTIONS = st.lists(st.integers(0, 10), min_size=1, max_size=20)


@settings(max_examples=40)
@given(QUESTIONS)
def test_the_bootstrap_contains_the_estimate_or_admits_it_has_none(hits: list[int]) -> None:
    found = cluster_bootstrap(hits, [10] * len(hits), resamples=200)
    assert found.rate == sum(hits) / (10 * len(hits))
    assert (found.interval is None) == (len(set(hits)) == 1)
    if found.interval is not None:
        assert found.rate in found.interval


def test_answers_that_repeat_within_a_question_widen_the_interval() -> None:
    clustered = cluster_bootstrap([10, 0] * 10, [10] * 20)
    binomial = wilson(100, 200)
    assert clustered.interval is not None
    wide = clustered.interval.high - clustered.interval.low
    assert wide > 2 * (binomial.high - binomial.low)
    # Whole questions agree, so ten answers are worth one: the design effect is the cluster size.
    assert clustered.design_effect == pytest.approx(10, rel=0.15)


def test_a_question_is_drawn_with_its_own_number_of_answers() -> None:
    # Big questions always hit: drawing hits apart from totals would give rates above 1.
    found = cluster_bootstrap([40, 0, 40, 0, 40, 0], [40, 2, 40, 2, 40, 2])
    assert found.rate == 120 / 126
    assert found.interval is not None and found.interval.high <= 1.0


def completions() -> pd.DataFrame:
    random = np.random.default_rng(1)
    return pd.DataFrame(
        [
            {
                "source": source,
                "epoch": epoch,
                "seed": 42,
                "persona": "assistant",
                "question": question,
                "sample": sample,
                "hit": bool(random.random() < 0.1 * (question % 5)),
            }
            for source in ("villain", "nurse")
            for epoch in (0, 2)
            for question in range(20)
            for sample in range(10)
        ]
    )


def test_the_bootstrap_depends_on_seed_and_cell_and_on_nothing_else() -> None:
    table = completions()
    first = bootstrap_cells(table, seed=7, resamples=300)
    assert len(first) == 4
    assert bootstrap_cells(shuffled(table, 3), seed=7, resamples=300) == first
    alone = table[(table["source"] == "nurse") & (table["epoch"] == 2)]
    [(key, found)] = bootstrap_cells(alone, seed=7, resamples=300).items()
    assert found == first[key]
    assert bootstrap_cells(table, seed=8, resamples=300) != first


def test_completions_without_a_column_are_refused() -> None:
    with pytest.raises(ValueError, match="no column 'question'"):
        bootstrap_cells(completions().drop(columns="question"))
    with pytest.raises(ValueError, match="no completions"):
        cluster_bootstrap([], [])
