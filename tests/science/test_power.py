"""What a design can find is predicted as the tests themselves find it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.simulate.power import CHANGE, Setup, conditions, found
from tuilab.science.power import power, smallest_change

ONE = Setup(seeds=1, later=10, n=200, rate=0.4, training=0.05)
THREE = replace(ONE, seeds=3)


def test_without_a_change_one_seed_finds_one_as_often_as_its_error_rate() -> None:
    noisy = replace(ONE, n=10**9)  # counting sets no floor
    assert power(noisy, 0.0) == pytest.approx(0.025, abs=1e-4)


def test_more_change_seeds_and_completions_find_more_and_noise_less() -> None:
    assert power(ONE, 0.1) < power(ONE, 0.2) < power(ONE, 0.3)
    assert power(THREE, 0.2) < power(replace(THREE, seeds=5), 0.2)
    assert power(ONE, 0.2) < power(replace(ONE, n=800), 0.2)
    assert power(replace(ONE, training=0.1), 0.2) < power(ONE, 0.2)
    assert power(THREE, 0.2) < power(replace(THREE, icc=0.5), 0.2)


def test_what_cannot_be_found_has_no_power_and_a_reason() -> None:
    short = replace(ONE, later=4)
    assert power(short, 1.0) == 0.0 and smallest_change(short) is None
    assert "one seed and 4 later checkpoints" in short.why_not
    assert not replace(short, seeds=2).why_not
    assert "one seed and 1 later checkpoint do" in replace(ONE, later=1).why_not
    assert replace(ONE, later=0, seeds=3).why_not == "no checkpoint comes after epoch 0"


def test_the_smallest_change_has_the_wanted_power() -> None:
    change = smallest_change(ONE)
    assert change is not None and power(ONE, change) == pytest.approx(0.8, abs=0.01)


@pytest.mark.trial
@pytest.mark.parametrize("setup", conditions(), ids=str)
def test_predicted_power_is_within_3_points_of_simulated_power(setup: Setup) -> None:
    assert power(setup, CHANGE) == pytest.approx(found(setup), abs=0.03)
