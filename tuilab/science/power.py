"""Predicts what a design can find: the power of the level, the contrast that classes rest on.

The test is that of ``contrasts``. With one seed and c later checkpoints it is the level against the
scatter of the checkpoints on c - 2 degrees of freedom at .025, no noise below that of counting.
Under normal noise the level and its estimated variance are independent, so that its power is an
integral over chi-square of two normal tails. With several seeds the level must be significant on
two scales, which no formula gives: 10,000 draws with fixed random numbers do. Both agree with the
tests' own simulation within 3 points (``tests/simulate/power.py``).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Final

import numpy as np

from tuilab.grid.text import count_of
from tuilab.science.distributions import t_quantile
from tuilab.science.error_rates import ALPHA, LEAST_LATER, LEVEL_SHARE

_STEPS: Final = 400
_DRAWS: Final = 10_000
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Setup:
    """What is measured of one source, and how noisy it is."""

    seeds: int
    later: int
    """Checkpoints after epoch 0."""
    n: int
    """Completions of a cell: questions times answers to each."""
    rate: float
    """Around which rate; counting is noisiest at .5."""
    training: float
    """Standard deviation of a cell's rate when it is trained again, 0..1 scale."""
    icc: float = 0.0
    """Correlation of two answers to one question; what all cells ask alike moves no change."""

    @property
    def counting(self) -> float:
        """Variance of a cell's rate from counting."""
        return self.rate * (1 - self.rate) * (1 - self.icc) / self.n

    @property
    def why_not(self) -> str:
        """Why no change can be found beyond the noise of training; "" where one can."""
        if self.seeds > 1 and self.later:
            return ""
        if not self.later:
            return "no checkpoint comes after epoch 0"
        if self.later < LEAST_LATER:
            later = count_of(self.later, "later checkpoint")
            return f"one seed and {later} do not show the noise of training"
        return ""


def power(setup: Setup, change: float) -> float:
    """Return how often a true change of the level (0..1 scale) is found; 0 where it cannot be.

    With several seeds the noise of training is taken to be shared by all later checkpoints of a
    seed, which is the worst case; with one seed it must differ from checkpoint to checkpoint, for
    that is all one seed can see.
    """
    if setup.why_not:
        return 0.0
    if setup.seeds > 1:
        return _over_seeds(setup, change)
    noise = (setup.training**2 + setup.counting) * (1 + 1 / setup.later)
    least = setup.counting * (1 + 1 / setup.later)
    return _found(change, noise, least, setup.later - 2, ALPHA * LEVEL_SHARE)


def smallest_change(setup: Setup, wanted: float = 0.8) -> float | None:
    """Return the change that is found with the wanted power; None where none up to 1 is."""
    if power(setup, 1.0) < wanted:
        return None
    low, high = 0.0, 1.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if power(setup, middle) >= wanted else (middle, high)
    return high


@lru_cache(maxsize=1000)
def _over_seeds(setup: Setup, change: float) -> float:
    """Draw rates about ``setup.rate``, half of the change below and half above, and test them."""
    random = np.random.default_rng(0)
    # Hundreds of seeds need fewer: power then rises so steeply with the change that it hides them.
    draws = max(_DRAWS // 20, min(_DRAWS, _DRAWS * 20 // setup.seeds))
    draws = max(10, min(draws, _DRAWS * 100 // setup.seeds))  # tens of thousands need no more
    shape = (draws, setup.seeds)
    noise = setup.training * random.standard_normal((2, *shape))
    before = np.clip(setup.rate - change / 2 + noise[0], 0, 1)
    after = np.clip(setup.rate + change / 2 + noise[1], 0, 1)
    n = max(1, round(setup.n / (1 - setup.icc)))
    first = random.binomial(n, before) / n
    # The later checkpoints of a seed have one rate: their mean is that of n times as many answers.
    many = n * setup.later
    later = random.binomial(many, after) / many
    levels = later - first
    angles = np.arcsin(np.sqrt(later)) - np.arcsin(np.sqrt(first))
    rate = np.clip(later.mean(axis=1), 1 / n, 1 - 1 / n)
    least = rate * (1 - rate) / n * (1 + 1 / setup.later)
    bound = t_quantile(setup.seeds - 1, ALPHA)
    is_found = _beyond(levels, least, bound) & _beyond(angles, np.zeros(draws), bound)
    return float(is_found.mean())


def _beyond(levels: Any, least: Any, bound: float) -> Any:
    spread = np.maximum(levels.var(axis=1, ddof=1), least) / levels.shape[1]
    return np.abs(levels.mean(axis=1)) > bound * np.sqrt(spread)


def _found(change: float, noise: float, least: float, df: int, two_sided: float) -> float:
    """P(|T| > t) of T = D / sqrt(max(S2, least)), D normal about the change."""
    if not noise:
        return float(change != 0)
    bound, error = t_quantile(df, two_sided), math.sqrt(noise)

    def tails(v: float) -> float:
        limit = bound * math.sqrt(max(noise * v * v / df, least))
        return _NORMAL.cdf((change - limit) / error) + _NORMAL.cdf((-change - limit) / error)

    # v is the root of chi-square: its density is smooth at 0 also with one degree of freedom.
    log = (1 - df / 2) * math.log(2) - math.lgamma(df / 2)

    def weighed(v: float) -> float:
        if not v:
            return tails(v) * math.sqrt(2 / math.pi) if df == 1 else 0.0
        density = math.exp(log + (df - 1) * math.log(v) - v * v / 2)
        return density * tails(v)

    return min(1.0, _integral(weighed, math.sqrt(df) + 8))


def _integral(of: Callable[[float], float], end: float) -> float:
    """Simpson's rule from 0."""
    step = end / _STEPS
    inner = math.fsum((4 if place % 2 else 2) * of(place * step) for place in range(1, _STEPS))
    return (of(0.0) + inner + of(end)) * step / 3
