"""Our few distributions against scipy's."""

import pytest
from scipy import stats

from tuilab.science.distributions import NORMAL_95, chi_square_above, t_quantile, t_two_sided


@pytest.mark.parametrize("df", [1, 2, 3, 6.2, 9, 19, 120, 4_000])
def test_students_t_is_scipys(df: float) -> None:
    for t in (0.0, 1e-6, 0.3, 1.0, 2.1, 4.3, -7.6, 25.0):
        assert t_two_sided(t, df) == pytest.approx(
            2 * stats.t.sf(abs(t), df), rel=1e-10, abs=1e-300
        )
    for share in (0.9, 0.05, 0.015, 0.001):
        assert t_quantile(df, share) == pytest.approx(stats.t.isf(share / 2, df), rel=1e-10)


def test_a_t_of_no_end_of_degrees_is_normal() -> None:
    assert t_quantile(float("inf")) == NORMAL_95 == pytest.approx(stats.norm.isf(0.025))


@pytest.mark.parametrize("df", [1, 2, 5, 10, 76])
def test_chi_square_is_scipys(df: int) -> None:
    for x in (0.0, 1e-3, 0.5, 3.0, 11.0, 60.0, 240.0, 900.0):
        assert chi_square_above(x, df) == pytest.approx(stats.chi2.sf(x, df), rel=1e-9)
