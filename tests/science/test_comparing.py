"""The gap between two experiments: its interval, and what chance explains."""

from __future__ import annotations

import pytest

from tuilab.grid.metrics import Measurement
from tuilab.science.comparing import Gap, gaps
from tuilab.science.intervals import difference


def rate(hits: int, n: int = 200) -> Measurement:
    return Measurement(hits / n, hits, n)


def only(one: Measurement, other: Measurement) -> Gap:
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
    assert gaps([(Measurement(-0.2, n=20), Measurement(0.1, n=20))]) == [None]
