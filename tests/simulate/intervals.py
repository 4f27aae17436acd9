"""Coverage and width of the intervals that know questions, against rates that are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from tuilab.science.distributions import NORMAL_95
from tuilab.science.intervals import score
from tuilab.science.questions import Questions, paired_difference
from tuilab.science.seeds import mean_trajectory, paired
from tuilab.science.trajectories import Point, Trajectory

SIZES = ((20, 10), (10, 5))
"""Questions and answers to each."""
ICCS = (0.0, 0.05, 0.1, 0.2, 0.3)
RATES = (0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.05, 0.08, 0.125, 0.2, 0.3, 0.5)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How one condition came out."""

    questions: int
    samples: int
    icc: float
    rate: float
    times: int
    """Simulated cells."""
    share: float
    """Share of intervals that contain the rate."""
    width: float
    """Mean width over the mean width of Wilson's at the true design effect, normal quantile."""

    @property
    def is_good(self) -> bool:
        """Whether it meets what docs/STATISTICS.md promises."""
        least = 0.92 if self.rate >= 0.08 else 0.88 if self.rate >= 0.05 else 0.85
        return least <= self.share <= 0.995 and self.width <= 1.3


def draw(
    random: np.random.Generator, questions: int, samples: int, icc: float, rate: float, times: int
) -> np.ndarray:
    """Hits per question, (times, questions); questions differ by a beta of this ICC."""
    rates = np.full((times, questions), rate)
    if icc:
        spread = (1 - icc) / icc
        rates = random.beta(rate * spread, (1 - rate) * spread, size=rates.shape)
    return random.binomial(samples, rates)


AGAIN = 10
"""A condition that misses is drawn anew so many times as often, and that counts: at 2,000 cells the
standard error is .8 points at 85 %, and there are 120 conditions."""


def coverage(times: int, seed: int = 0) -> Iterator[Coverage]:
    """Simulate every condition so many times, and one that misses ``AGAIN`` times as often."""
    random = np.random.default_rng(seed)
    for questions, samples in SIZES:
        for icc in ICCS:
            for rate in RATES:
                drawn = draw(random, questions, samples, icc, rate, times)
                found = one_coverage(drawn, samples, icc, rate)
                if not found.is_good:
                    anew = np.random.default_rng(seed + 1)
                    drawn = draw(anew, questions, samples, icc, rate, AGAIN * times)
                    found = one_coverage(drawn, samples, icc, rate)
                yield found


def one_coverage(drawn: np.ndarray, samples: int, icc: float, rate: float) -> Coverage:
    times, questions = drawn.shape
    effective = questions * samples / (1 + (samples - 1) * icc)
    held, width, known = 0, 0.0, 0.0
    # The order of questions says nothing: equal ones are computed once.
    rows, counts = np.unique(np.sort(drawn, axis=1), axis=0, return_counts=True)
    for row, count in zip(rows.tolist(), counts.tolist(), strict=True):
        found = Questions(tuple(row), samples)
        interval = found.interval
        best = score(found.rate, effective, NORMAL_95, "")
        held += count * (rate in interval)
        width += count * (interval.high - interval.low)
        known += count * (best.high - best.low)
    return Coverage(questions, samples, icc, rate, times, held / times, width / known)


def paired_coverage(times: int, seed: int = 0) -> Iterator[tuple[str, float]]:
    """Coverage of differences where both cells share the questions' difficulty (logit normal)."""
    random = np.random.default_rng(seed)
    for questions, samples in SIZES:
        for first, second in ((0.1, 0.1), (0.1, 0.3), (0.02, 0.1), (0.4, 0.6), (0.05, 0.05)):
            for sd in (0.0, 1.0, 2.0):
                effects = random.standard_normal((times, questions)) * sd
                before = random.binomial(samples, _rates(effects, first, sd))
                after = random.binomial(samples, _rates(effects, second, sd))
                held = 0
                for one, other in zip(after.tolist(), before.tolist(), strict=True):
                    interval = paired_difference(
                        Questions(tuple(one), samples), Questions(tuple(other), samples)
                    )
                    held += interval is not None and second - first in interval
                yield f"{questions} x {samples}, {first} to {second}, sd {sd}", held / times


SEEDS = (3, 5, 8)
SEED_ICCS = (0.0, 0.1, 0.3)
SEED_SDS = (0.0, 0.02, 0.06, 0.1, 0.15)
"""Noise of training between the cells of seeds that answer the same questions."""


def of_seeds(
    random: np.random.Generator, seeds: int, training: float, icc: float, rate: float
) -> list[Trajectory]:
    """Seeds of a source at two epochs without a true change, all asked the same 20 x 10."""
    asked = np.full(20, rate)
    if icc:
        spread = (1 - icc) / icc
        asked = random.beta(rate * spread, (1 - rate) * spread, 20)
    runs = []
    for seed in range(seeds):
        points = []
        for epoch in (0, 2):
            rates = np.clip(asked + training * random.standard_normal(), 0, 1)
            found = Questions(tuple(random.binomial(10, rates).tolist()), 10, "asked")
            hits = sum(found.hits)
            points.append(Point(epoch, hits / 200, hits=hits, n=200, questions=found))
        runs.append(Trajectory("source", seed, tuple(points)))
    return runs


def seeds_coverage(times: int, seed: int = 0) -> Iterator[tuple[str, float, float]]:
    """Coverage over seeds, of a rate of .3 and of its net change, by condition."""
    random = np.random.default_rng(seed)
    for seeds, icc, training in product(SEEDS, SEED_ICCS, SEED_SDS):
        held = np.zeros(2)
        for _ in range(times):
            runs = of_seeds(random, seeds, training, icc, 0.3)
            rate, net = mean_trajectory(runs).points[0].interval, paired(runs, 2, 0).interval
            held += (rate is not None and 0.3 in rate, net is not None and 0 in net)
        yield f"{seeds} seeds, ICC {icc}, sd {training}", *(held / times).tolist()


def _rates(effects: np.ndarray, rate: float, sd: float) -> np.ndarray:
    """Rates of questions whose mean over all such questions is ``rate``."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    low, high = -15.0, 15.0
    for _ in range(60):
        middle = (low + high) / 2
        mean = (weights / (1 + np.exp(-(middle + sd * nodes)))).sum() / weights.sum()
        low, high = (middle, high) if mean < rate else (low, middle)
    return 1 / (1 + np.exp(-(low + effects)))
