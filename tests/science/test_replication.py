"""A second experiment replicates, contradicts, or cannot tell; 1,000 simulated ones each."""

import pytest

from tests.science.builders import trajectory
from tests.simulate.replication import outcomes
from tuilab.science.replication import MARGIN, Outcome, replication

RUN = [0.05, 0.4, 0.42, 0.38, 0.41, 0.4, 0.43]


def test_a_result_at_the_margin_is_seldom_called_a_replication() -> None:
    found = outcomes(MARGIN, 0.02, 1_000, n=600)
    assert found[Outcome.REPLICATES] <= 60


def test_a_result_within_the_margin_is_seldom_called_a_contradiction() -> None:
    found = outcomes(MARGIN, 0.05, 1_000, seeds=3)
    assert found[Outcome.CONTRADICTS] <= 60


def test_the_same_result_is_found_where_training_is_quiet_and_left_open_where_it_is_not() -> None:
    assert outcomes(0.0, 0.01, 200, n=2_000)[Outcome.REPLICATES] >= 190
    assert outcomes(0.4, 0.03, 200)[Outcome.CONTRADICTS] >= 190
    assert outcomes(0.0, 0.06, 200)[Outcome.CANNOT_TELL] >= 150


def test_it_says_both_levels_the_difference_and_the_margin() -> None:
    found = replication("villain", [trajectory(RUN, 2_000)], [trajectory(RUN, 2_000)])
    assert found.outcome is Outcome.REPLICATES
    assert found.said.startswith("level +35.7 pp and +35.7 pp, difference +0.0 pp [-")
    assert found.said.endswith("against a margin of 10.0 pp")


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ([None, *RUN[1:]], "epoch 0 and a later checkpoint"),
        (RUN[:4], "noise of training is unknown"),
    ],
)
def test_what_is_missing_is_named(other: list[float | None], why: str) -> None:
    found = replication("villain", [trajectory(RUN)], [trajectory(other)])
    assert found.outcome is Outcome.CANNOT_TELL and why in found.why
