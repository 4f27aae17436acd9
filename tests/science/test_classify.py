"""Classes follow the written rule, and say which noise they have beaten."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.science.builders import trajectory
from tuilab.science.classify import Change, Classification, classify
from tuilab.science.contrasts import Noise, over_seeds, within_run
from tuilab.science.error_rates import LEAST_LATER
from tuilab.science.significance import against_baseline

Values = Sequence[float | None]


def of(*seeds: Values, n: int = 200) -> Classification:
    runs = [replace(trajectory(values, n), seed=seed) for seed, values in enumerate(seeds)]
    return classify([(run, against_baseline(run)) for run in runs])


@pytest.mark.parametrize(
    ("values", "change"),
    [
        ([0.0, 0.4, 0.5, 0.5], Change.RISES),
        ([0.0, 0.0, 0.0, 0.5], Change.RISES),
        ([0.5, 0.4, 0.2, 0.1], Change.DECLINES),
        ([0.1, 0.6, 0.5, 0.1], Change.RISES_FALLS),
        ([0.5, 0.5, 0.1, 0.5], Change.FALLS_RISES),
        ([0.5, 0.9, 0.5, 0.1], Change.RISES_FALLS),
    ],
)
def test_too_few_checkpoints_stop_at_counting_noise_and_say_so(
    values: Values, change: Change
) -> None:
    found = of(values)
    assert (found.change, found.beyond) == (change, Noise.COUNTING)
    assert found.said == f"{change} beyond counting noise"
    assert "with one seed and 3 later checkpoints the scatter of training is unknown" in found.why


@pytest.mark.parametrize(
    ("values", "change"),
    [
        ([0.1, 0.12, 0.09, 0.11], Change.FLAT),
        ([0.0, 0.0, 0.0, 0.0], Change.FLAT),
        ([None, 0.4, 0.5, 0.5], Change.NOT_MEASURED),
        ([0.1, None, None, None], Change.NOT_MEASURED),
        ([None, None], Change.NOT_MEASURED),
    ],
)
def test_what_no_test_finds_has_beaten_nothing(values: Values, change: Change) -> None:
    found = of(values)
    assert (found.change, found.beyond, found.said) == (change, None, change.value)


@pytest.mark.parametrize(
    ("values", "change"),
    [
        ([0.05, 0.4, 0.42, 0.38, 0.41, 0.4, 0.43], Change.RISES),
        ([0.05, 0.12, 0.2, 0.26, 0.35, 0.4, 0.46], Change.RISES),
        ([0.5, 0.2, 0.22, 0.18, 0.2, 0.21, 0.19], Change.DECLINES),
        ([0.1, 0.5, 0.55, 0.52, 0.4, 0.25, 0.1], Change.RISES_FALLS),
        ([0.6, 0.2, 0.15, 0.18, 0.3, 0.45, 0.6], Change.FALLS_RISES),
        ([0.1, 0.3, 0.1, 0.35, 0.05, 0.3, 0.1], Change.NOT_DECIDED),
        ([0.3, 0.31, 0.29, 0.36, 0.3, 0.27, 0.33, 0.3, 0.28, 0.32, 0.3], Change.FLAT),
    ],
)
def test_a_run_of_five_later_checkpoints_is_tested_against_its_own_scatter(
    values: Values, change: Change
) -> None:
    found = of(values)
    is_change = change not in (Change.NOT_DECIDED, Change.FLAT)
    assert found.change is change
    assert (found.beyond is Noise.SCATTER) == is_change
    assert found.contrasts is not None and found.contrasts.df == len(values) - 3


def test_seeds_that_agree_have_beaten_the_spread_of_seeds() -> None:
    found = of([0.05, 0.4], [0.04, 0.42], [0.06, 0.41])
    assert (found.change, found.beyond) == (Change.RISES, Noise.SEEDS)
    assert (found.up, found.tested) == (3, 3)


def test_seeds_that_differ_as_the_old_recipe_did_decide_nothing() -> None:
    found = of([0.01, 0.025], [0.01, 0.31], [0.01, 0.63])
    assert (found.change, found.beyond) == (Change.NOT_DECIDED, Noise.COUNTING)
    assert "no contrast lies beyond the spread of seeds" in found.why


def test_an_unmeasured_seed_does_not_vote() -> None:
    run = [0.05, 0.4, 0.42, 0.38, 0.41, 0.4]
    assert of(run, [None] * 6).beyond is Noise.SCATTER
    assert of([None] * 6, [None] * 6).change is Change.NOT_MEASURED


def test_several_seeds_see_a_hump_that_comes_back() -> None:
    hump = [0.1, 0.5, 0.6, 0.4, 0.1]
    found = of(hump, [0.12, 0.52, 0.6, 0.38, 0.1], [0.09, 0.49, 0.61, 0.42, 0.12])
    assert (found.change, found.beyond) == (Change.RISES_FALLS, Noise.SEEDS)


def test_a_class_says_why_it_was_given() -> None:
    assert "epoch 0 is not measured" in of([None, 0.4]).why
    assert "no checkpoint after epoch 0" in of([0.1, None]).why
    assert "1 up and 0 down of 1 checkpoint" in of([0.1, 0.4]).why


def test_scatter_is_never_taken_for_less_than_counting() -> None:
    # All later checkpoints equal by chance: their scatter is 0, that of 50 completions is not.
    found = within_run(trajectory([0.1, *[0.2] * LEAST_LATER], n=50))
    assert found is not None and found.sd == pytest.approx((0.2 * 0.8 / 50) ** 0.5)
    assert found.level.p > 0.05
    same = over_seeds([trajectory([0.1, 0.2], n=50)] * 3)
    assert same is not None and same.level.p > 0.05


def test_a_trend_is_no_scatter() -> None:
    found = within_run(trajectory([0.05, 0.1, 0.2, 0.3, 0.4, 0.5], n=10_000))
    assert found is not None and found.sd < 0.01 and found.end.p < 0.05


def test_seeds_that_agree_more_than_their_own_checkpoints_do_decide_nothing() -> None:
    # Every epoch 0 lies at 0 by chance; the mean over restless checkpoints differs little by seed.
    later = [0.0, 0.3, 0.0, 0.2, 0.1, 0.0, 0.25, 0.0, 0.15, 0.0]
    runs = [[0.0, *later], [0.0, *later[::-1]], [0.0, *later[3:], *later[:3]]]
    assert of(*runs).change is Change.NOT_DECIDED
    quiet = [[0.0, *[0.1 + step / 100] * 10] for step in range(3)]
    assert of(*quiet).beyond is Noise.SEEDS
