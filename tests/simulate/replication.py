"""How often a replication is called what it is not."""

from __future__ import annotations

from collections import Counter

import numpy as np

from tuilab.science.replication import Outcome, replication
from tuilab.science.trajectories import Point, Trajectory

CHECKPOINTS = 11


def outcomes(
    difference: float, sd: float, times: int, seeds: int = 1, n: int = 200, seed: int = 0
) -> Counter[Outcome]:
    """Count the outcomes of so many pairs of experiments whose true levels differ so much.

    ``sd`` is the noise of training at a checkpoint; the second experiment has ``seeds`` seeds.
    """
    random = np.random.default_rng(seed)
    found: Counter[Outcome] = Counter()
    for _ in range(times):
        one = [_run(random, 0.3, sd, n, 0)]
        other = [_run(random, 0.3 + difference, sd, n, number) for number in range(seeds)]
        found[replication("source", one, other).outcome] += 1
    return found


def _run(random: np.random.Generator, level: float, sd: float, n: int, seed: int) -> Trajectory:
    means = 0.1 + level * (np.arange(CHECKPOINTS) > 0)
    rates = np.clip(means + sd * random.standard_normal(CHECKPOINTS), 0, 1)
    hits = random.binomial(n, rates).tolist()
    points = tuple(Point(epoch, k / n, hits=k, n=n) for epoch, k in enumerate(hits))
    return Trajectory("source", seed, points)
