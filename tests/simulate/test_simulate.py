"""A few of the simulations at a fixed seed; ``make simulate`` runs all of them in full."""

import numpy as np
import pytest

from tests.simulate.classes import Condition, share_changed
from tests.simulate.intervals import draw, one_coverage


@pytest.mark.parametrize(
    ("questions", "samples", "icc", "rate"),
    [(20, 10, 0.3, 0.04), (20, 10, 0.3, 0.125), (10, 5, 0.0, 0.02), (10, 5, 0.3, 0.08)],
)
def test_an_interval_covers_its_rate_and_is_not_much_wider_than_it_must_be(
    questions: int, samples: int, icc: float, rate: float
) -> None:
    drawn = draw(np.random.default_rng(1), questions, samples, icc, rate, 600)
    found = one_coverage(drawn, samples, icc, rate)
    assert found.is_good, found


@pytest.mark.parametrize(
    "case",
    [
        Condition(200, 0.125, 0.035),
        Condition(600, 0.125, 0.06),
        Condition(200, 0.125, 0.15, seeds=3, noise="by seed"),
        Condition(600, 0.02, 0.06, seeds=8, noise="skewed"),
    ],
)
def test_few_sources_that_do_not_change_are_called_changed(case: Condition) -> None:
    assert share_changed(case, 150) <= 0.06


def test_a_change_of_20_points_is_found_in_quiet_training() -> None:
    assert share_changed(Condition(200, 0.125, 0.02, change=0.2), 60) >= 0.9
