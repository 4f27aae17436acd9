"""Rank correlation: exact where possible, honest about error elsewhere."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.science.builders import cosine_row, design, leakage_row
from tuilab.science.analysis import analyse
from tuilab.science.claims.correlations import predictions
from tuilab.science.correlation import correlate, spearman
from tuilab.science.frame import measurements


@settings(max_examples=8)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=5))
def test_the_exact_p_is_a_count_over_all_permutations(pairs: list[tuple[int, int]]) -> None:
    x, y = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    found = spearman(x, y)
    if found.rho is None:
        assert len(set(x)) == 1 or len(set(y)) == 1
        return
    observed = abs(stats.spearmanr(x, y).statistic)
    extreme = sum(
        abs(stats.spearmanr(moved, y).statistic) >= observed - 1e-9
        for moved in itertools.permutations(x)
    )
    assert (found.extreme, found.method) == (extreme, "exact")
    assert found.p == pytest.approx(extreme / found.permutations)


def test_nine_sources_are_still_exact() -> None:
    ranks = [float(rank) for rank in range(9)]
    found = spearman(ranks, ranks)
    assert (found.method, found.permutations, found.extreme) == ("exact", 362_880, 2)
    assert found.p_error is None


def test_beyond_nine_the_p_value_carries_its_error_and_is_seeded() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=12).tolist(), random.normal(size=12).tolist()
    first = spearman(x, y)
    assert first.method == "Monte Carlo" and first.p is not None
    assert first.p_error == pytest.approx((first.p * (1 - first.p) / 99_999) ** 0.5)
    assert first.p == pytest.approx(stats.spearmanr(x, y).pvalue, abs=0.03)
    assert spearman(x[::-1], y[::-1]) == first


def test_an_undefined_rho_says_why() -> None:
    assert "at least three" in spearman([1, 2], [1, 2]).reason
    assert "constant" in spearman([1, 1, 1], [1, 2, 3]).reason


def test_sources_without_a_value_are_left_out_and_named_and_tests_are_counted() -> None:
    x = {"a": 1.0, "b": 2.0, "c": 3.0, "d": None}
    y = {"a": 1.0, "b": 3.0, "c": 2.0, "d": 4.0}
    found, constant = correlate(x, {"peak": y, "net": dict.fromkeys(y, 1.0)})
    assert (found.n, found.left_out, found.tests) == (3, ("d",), 2)
    # Two were planned, so the one that could be computed is still corrected for two.
    assert found.p_holm == pytest.approx(min(1.0, 2 * (found.p or 0)))
    assert constant.rho is None


def test_a_missing_cosine_leaves_the_pair_out_and_never_becomes_zero() -> None:
    sources = ["a", "b", "c", "d", "e"]
    rows = []
    for index, source in enumerate(sources):
        rows += [leakage_row(source, 0, index), leakage_row(source, 2, 10 * (index + 1))]
    cosines = [cosine_row(source, 0, 0.1 * index) for index, source in enumerate(sources[:4])]
    found = predictions(analyse(measurements([*rows, *cosines]), design(sources, (0, 2))))
    assert tuple(one.y for one in found) == ("peak", "baseline", "rise", "net")
    assert {one.n for one in found} == {4} and {one.left_out for one in found} == {("e",)}
    assert found[0].rho == pytest.approx(1.0)
    assert found[0].tests == 4
