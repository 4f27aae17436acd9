"""How often a source that does not change is called changed, and one that does is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tuilab.science.classify import by_training
from tuilab.science.contrasts import against_training
from tuilab.science.trajectories import Point, Trajectory

CHECKPOINTS = 11
SIZES = (200, 600)
RATES = (0.02, 0.125, 0.4)
RUN_SDS = (0.0, 0.01, 0.02, 0.035, 0.05, 0.06)
"""Retraining noise of a checkpoint with one seed."""
SEED_RATES = (0.005, 0.02, 0.05, 0.125, 0.4)
SEED_SDS = (0.0, 0.03, 0.06, 0.15)
"""The same with several seeds."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One simulated kind of source."""

    n: int
    rate: float
    sd: float
    """Standard deviation of the noise of training at one checkpoint."""
    seeds: int = 1
    change: float = 0.0
    """True difference of the last checkpoint from epoch 0."""
    shape: str = "step"
    """step: all later checkpoints; ramp: in a straight line."""
    noise: str = ""
    """"": by checkpoint, normal, cut at rates of 0 and 1; by seed: half of its variance is shared
    by all later checkpoints of a seed; skewed: by checkpoint, rates are a beta of this sd."""


def is_changed(random: np.random.Generator, case: Condition) -> bool:
    """Draw one source and ask for its class."""
    steps = np.arange(CHECKPOINTS) / (CHECKPOINTS - 1)
    means = case.rate + case.change * (steps > 0 if case.shape == "step" else steps)
    runs = []
    for seed in range(case.seeds):
        hits = random.binomial(case.n, _rates(random, case, means)).tolist()
        points = (Point(i, k / case.n, hits=k, n=case.n) for i, k in enumerate(hits))
        runs.append(Trajectory("source", seed, tuple(points)))
    found = against_training(runs)
    return found is not None and by_training(found)[0] is not None


def _rates(random: np.random.Generator, case: Condition, means: np.ndarray) -> np.ndarray:
    if case.noise == "skewed" and case.sd:
        # No beta has a variance of p (1 - p) or more.
        spread = max(case.rate * (1 - case.rate) / case.sd**2, 1.1) - 1
        return random.beta(means * spread, (1 - means) * spread)
    noise = random.standard_normal(CHECKPOINTS)
    if case.noise == "by seed":
        noise[1:] = (noise[1:] + random.standard_normal()) / np.sqrt(2)
    return np.clip(means + case.sd * noise, 0, 1)


def share_changed(case: Condition, times: int, seed: int = 0) -> float:
    """Share of sources that are called changed."""
    random = np.random.default_rng(seed)
    return sum(is_changed(random, case) for _ in range(times)) / times


MOST_FALSE = 0.06
"""What a simulation may show of a test that errs in 5 %."""
AGAIN = 10
"""A condition that misses is drawn anew so many times as often, and that counts: at 2,000 sources
the standard error is .5 points at 5 %, and there are hundreds of conditions."""


def share_falsely_changed(case: Condition, times: int) -> float:
    """The same of a condition without a true change, again where it is above ``MOST_FALSE``."""
    share = share_changed(case, times)
    return share if share <= MOST_FALSE else share_changed(case, AGAIN * times, seed=1)


def flat_cases() -> Iterator[Condition]:
    """Every condition without a true change."""
    for n in SIZES:
        for rate in RATES:
            yield from (Condition(n, rate, sd) for sd in RUN_SDS)
    for seeds in (3, 5, 8):
        for n in SIZES:
            for rate in SEED_RATES:
                for noise in ("", "by seed", "skewed"):
                    yield from (Condition(n, rate, sd, seeds, noise=noise) for sd in SEED_SDS)


def power_cases() -> Iterator[Condition]:
    """A true change of 20 points."""
    for shape in ("step", "ramp"):
        for n in SIZES:
            yield from (Condition(n, 0.125, sd, change=0.2, shape=shape) for sd in RUN_SDS)
    for seeds in (3, 5, 8):
        for noise in ("", "by seed"):
            yield from (Condition(200, 0.3, sd, seeds, 0.2, noise=noise) for sd in SEED_SDS)
