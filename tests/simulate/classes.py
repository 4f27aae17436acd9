"""How often a source that does not change is called changed, and one that does is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tuilab.science.classify import by_training
from tuilab.science.contrasts import over_seeds, within_run
from tuilab.science.trajectories import Point, Trajectory

CHECKPOINTS = 11
SIZES = (200, 600)
RATES = (0.02, 0.125, 0.4)
RUN_SDS = (0.0, 0.01, 0.02, 0.035, 0.05, 0.06)
"""Retraining noise of a checkpoint with one seed."""
SEED_SDS = (0.0, 0.06, 0.15)
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
    is_by_run: bool = False
    """Whether half of the noise's variance is shared by all later checkpoints of a seed."""


def is_changed(random: np.random.Generator, case: Condition) -> bool:
    """Draw one source and ask for its class; noise is normal, cut at rates of 0 and 1."""
    steps = np.arange(CHECKPOINTS) / (CHECKPOINTS - 1)
    means = case.rate + case.change * (steps > 0 if case.shape == "step" else steps)
    runs = []
    for seed in range(case.seeds):
        noise = random.standard_normal(CHECKPOINTS)
        if case.is_by_run:
            noise[1:] = (noise[1:] + random.standard_normal()) / np.sqrt(2)
        hits = random.binomial(case.n, np.clip(means + case.sd * noise, 0, 1)).tolist()
        points = (Point(i, k / case.n, hits=k, n=case.n) for i, k in enumerate(hits))
        runs.append(Trajectory("source", seed, tuple(points)))
    found = within_run(runs[0]) if case.seeds == 1 else over_seeds(runs)
    return found is not None and by_training(found)[0] is not None


def share_changed(case: Condition, times: int, seed: int = 0) -> float:
    """Share of sources that are called changed."""
    random = np.random.default_rng(seed)
    return sum(is_changed(random, case) for _ in range(times)) / times


def flat_cases() -> Iterator[Condition]:
    """Every condition without a true change."""
    for n in SIZES:
        for rate in RATES:
            yield from (Condition(n, rate, sd) for sd in RUN_SDS)
    for n in SIZES:
        for rate in (0.125, 0.4):
            for sd in SEED_SDS:
                for is_by_run in (False, True):
                    yield Condition(n, rate, sd, seeds=3, is_by_run=is_by_run)
        yield from (Condition(n, 0.125, sd, seeds=5) for sd in SEED_SDS)


def power_cases() -> Iterator[Condition]:
    """A true change of 20 points."""
    for shape in ("step", "ramp"):
        for n in SIZES:
            yield from (Condition(n, 0.125, sd, change=0.2, shape=shape) for sd in RUN_SDS)
    for seeds in (3, 5, 8):
        yield from (Condition(200, 0.3, sd, seeds, 0.2, is_by_run=True) for sd in SEED_SDS)
