"""Several seeds: means, spread, n/N, and pairing."""

from statistics import stdev

import numpy as np
import pytest

from tests.science.builders import design, leakage_row, trajectory
from tests.simulate.intervals import of_seeds
from tuilab.science.analysis import Analysis, analyse
from tuilab.science.classify import Change
from tuilab.science.combination import Estimate, over_cells
from tuilab.science.distributions import t_quantile
from tuilab.science.frame import measurements
from tuilab.science.headline_rows import headline
from tuilab.science.intervals import Interval, difference, over_seeds, wilson
from tuilab.science.seeds import mean_trajectory, paired, summarise
from tuilab.science.trajectories import Point, Trajectory


def test_a_summary_counts_planned_seeds_and_averages_measured_ones() -> None:
    found = summarise([0.2, None, 0.4])
    assert (found.mean, found.measured, found.planned) == (pytest.approx(0.3), 2, 3)
    assert found.spread == pytest.approx(0.02**0.5)


def test_nothing_measured_has_no_mean() -> None:
    found = summarise([None, None])
    assert (found.mean, found.spread, found.interval, found.measured) == (None, None, None, 0)


def test_a_mean_point_is_missing_only_when_every_seed_is() -> None:
    mean = mean_trajectory([trajectory([0.1, None, None]), trajectory([0.3, 0.5, None])])
    assert [point.value for point in mean.points] == [pytest.approx(0.2), 0.5, None]
    assert [point.seeds for point in mean.points] == [2, 1, 0]
    assert mean.points[2].status == "missing"
    # Two seeds are two observations, not one pooled binomial.
    assert mean.points[0].n is None and mean.points[0].hits is None


def test_one_seed_is_passed_through_with_its_counts() -> None:
    run = trajectory([0.1, 0.2])
    assert mean_trajectory([run]) is run


def test_a_change_is_taken_within_seeds() -> None:
    runs = [trajectory([0.0, 0.2]), trajectory([0.5, 0.7]), trajectory([None, 0.9])]
    found = paired(runs, 2, 0)
    assert found.mean == pytest.approx(0.2)
    assert (found.measured, found.planned) == (2, 3)


def three_seeds() -> Analysis:
    finals = {42: 5, 137: 62, 256: 126}
    rows = []
    for seed, hits in finals.items():
        rows += [
            leakage_row("villain", 0, 2, seed=seed),
            leakage_row("villain", 2, hits, seed=seed),
        ]
    return analyse(measurements(rows), design(["villain"], (0, 2), tuple(finals)))


def test_the_noisy_recipe_of_old_is_not_decided_and_its_interval_is_wide() -> None:
    # 2.5, 31 and 63 % for one source over three seeds.
    analysis = three_seeds()
    [row] = headline(analysis)
    assert row.final == pytest.approx((0.025 + 0.31 + 0.63) / 3)
    assert (row.seeds, row.seeds_planned) == (3, 3)
    assert row.net_interval is not None and 0.0 in row.net_interval
    assert analysis.sources[0].change is Change.NOT_DECIDED
    assert row.final_interval is not None and row.final_interval.low == 0.0


def test_no_seed_enters_one_side_of_a_comparison_only() -> None:
    # Seed 2 leaks far more but lacks epoch 0, so it can say nothing about a rise.
    rows = [
        leakage_row("villain", epoch, hits, seed=1) for epoch, hits in ((0, 0), (2, 20), (4, 40))
    ]
    rows += [leakage_row("villain", epoch, 180, seed=2) for epoch in (2, 4)]
    analysis = analyse(measurements(rows), design(["villain"], (0, 2, 4), (1, 2)))
    [row] = headline(analysis)
    assert row.peak == pytest.approx(0.55)
    assert (row.rise, row.net) == (pytest.approx(0.2), pytest.approx(0.2))
    assert row.fraction_of_rise == pytest.approx(0.5)
    assert (row.above_baseline, row.ties, row.later_measured) == (2, 0, 2)


def test_a_seed_without_its_last_epoch_shows_in_n_of_n() -> None:
    rows = [
        leakage_row("villain", 0, 2, seed=1),
        leakage_row("villain", 2, 50, seed=1),
        leakage_row("villain", 0, 2, seed=2),
    ]
    [row] = headline(analyse(measurements(rows), design(["villain"], (0, 2), (1, 2))))
    assert (row.seeds, row.seeds_planned) == (1, 2)
    assert row.missing == ("villain@2#2",)


def test_seeds_that_agree_by_chance_are_not_taken_for_certainty() -> None:
    runs = [
        Trajectory(
            "villain",
            seed,
            (Point(0, 0.0, hits=0, n=50), Point(4, 0.0, hits=0, n=50)),
        )
        for seed in (1, 2, 3)
    ]
    first = mean_trajectory(runs).points[0]
    assert first.interval is not None
    assert (first.interval.low, first.interval.high) == (0.0, wilson(0, 150).high)
    assert first.interval.method == "t over 3 seeds, no narrower than Wilson"
    change = paired(runs, 4, 0).interval
    assert change is not None
    assert (change.low, change.high) == (difference(0, 150, 0, 150).low, wilson(0, 150).high)


def test_counting_never_narrows_what_seeds_leave_open() -> None:
    runs = [
        Trajectory("villain", seed, (Point(0, hits / 50, hits=hits, n=50),))
        for seed, hits in ((1, 1), (2, 20), (3, 44))
    ]
    [point] = mean_trajectory(runs).points
    assert point.interval is not None
    student = over_seeds([1 / 50, 20 / 50, 44 / 50], 0.0, 1.0)
    assert student is not None
    assert (point.interval.low, point.interval.high) == (student.low, student.high)


@pytest.mark.parametrize(("seeds", "training"), [(3, 0.0), (8, 0.02), (8, 0.06)])
def test_more_seeds_do_not_remove_what_drawing_the_questions_leaves_open(
    seeds: int, training: float
) -> None:
    """Without it an interval over 8 seeds covered the rate in 33 to 57 %, not in 95."""
    random = np.random.default_rng(5)
    means = [mean_trajectory(of_seeds(random, seeds, training, 0.3, 0.3)) for _ in range(300)]
    first = [mean.points[0] for mean in means]
    covered = [point.interval is not None and 0.3 in point.interval for point in first]
    assert sum(covered) >= 0.92 * len(covered)
    runs = of_seeds(random, seeds, training, 0.3, 0.3)
    interval = paired(runs, 2, 0).interval
    assert interval is not None and "no narrower than paired Wilson over 20" in interval.method


def test_the_mean_of_an_excess_over_seeds_is_no_surer_than_its_questions() -> None:
    rates = (0.0, 0.1, 0.2, 0.6)
    one = Estimate(0.225, Interval(0.0, 0.45, "t over 4 questions"), 0.001, rates)
    found = over_cells([one, one, one])
    assert found is not None and found.interval is not None and found.value == 0.225
    half = t_quantile(3) * stdev(rates) / 2
    assert found.interval.low == pytest.approx(0.225 - half)
    assert over_cells([one]) is one and over_cells([]) is None
