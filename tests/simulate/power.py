"""Predicted power against how often the tests themselves find a true change of the level."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tuilab.science.contrasts import against_training
from tuilab.science.error_rates import ALPHA
from tuilab.science.power import Setup, power
from tuilab.science.trajectories import Point, Trajectory

TIMES = 4_000
CHANGE = 0.2


def conditions() -> Iterator[Setup]:
    """One seed, and several, with little and with much noise of training."""
    for sd in (0.02, 0.05, 0.08):
        yield Setup(1, 10, 200, 0.4, sd)
    for seeds, sd in ((3, 0.03), (3, 0.08), (5, 0.06), (5, 0.12), (8, 0.12)):
        yield Setup(seeds, 5, 200, 0.4, sd)


def found(setup: Setup, times: int = TIMES, seed: int = 0) -> float:
    """Share of simulated sources whose level is called changed; rates lie about ``setup.rate``."""
    random = np.random.default_rng(seed)
    hits = 0
    for _ in range(times):
        runs = [_run(random, setup, number) for number in range(setup.seeds)]
        made = against_training(runs)
        hits += made is not None and made.level.p < ALPHA
    return hits / times


def _run(random: np.random.Generator, setup: Setup, seed: int) -> Trajectory:
    means = np.full(setup.later + 1, setup.rate + CHANGE / 2)
    means[0] = setup.rate - CHANGE / 2
    noise = setup.training * random.standard_normal(setup.later + 1)
    if setup.seeds > 1:
        noise[1:] = setup.training * random.standard_normal()
    counts = random.binomial(setup.n, np.clip(means + noise, 0, 1)).tolist()
    points = (Point(i, k / setup.n, hits=k, n=setup.n) for i, k in enumerate(counts))
    return Trajectory("source", seed, tuple(points))


def apart(times: int = TIMES) -> Iterator[tuple[Setup, float, float]]:
    """Yield each condition with the predicted and the simulated power."""
    for setup in conditions():
        yield setup, power(setup, CHANGE), found(setup, times)
