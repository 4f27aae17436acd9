"""Intervals for a rate and for the difference of two rates; docs/STATISTICS.md has the tests."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from tuilab.science.distributions import NORMAL_95, t_quantile


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided 95% interval in the unit of its estimate."""

    low: float
    """Lower limit."""
    high: float
    """Upper limit."""
    method: str
    """How it was made: "Wilson", "Newcombe", "Wilson over 20 questions", "t over 3 seeds"."""

    def __contains__(self, value: float) -> bool:
        """Whether a value lies inside, limits included."""
        return self.low <= value <= self.high


def wilson(hits: int, n: int) -> Interval:
    """95% score interval of hits / n (Wilson 1927, J. Am. Stat. Assoc. 22:209-212).

    Raises:
        ValueError: when n is not positive or hits do not fit into n.
    """
    if n <= 0 or not 0 <= hits <= n:
        raise ValueError(f"{hits} hits of n = {n} is not a rate; n must be positive.")
    return score(hits / n, n, NORMAL_95, "Wilson")


def score(share: float, n: float, quantile: float, method: str) -> Interval:
    """Score interval of a share of n independent answers (any n above 0), by a given quantile."""
    square = quantile * quantile
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = math.sqrt(share * (1 - share) / n + square / (4 * n * n)) * quantile / (1 + square / n)
    # Rounding can leave a limit a few ulp inside the estimate or outside 0..1.
    low = 0.0 if share == 0 else min(max(middle - half, 0.0), share)
    high = 1.0 if share == 1 else max(min(middle + half, 1.0), share)
    return Interval(low, high, method)


def difference(hits: int, n: int, other_hits: int, other_n: int) -> Interval:
    """95% interval of hits/n - other_hits/other_n, two independent samples.

    Hybrid score interval without continuity correction: Newcombe 1998, Stat. Med. 17:873-890,
    method 10. It joins the two Wilson intervals, so it stays inside -1..1.
    """
    ours, theirs = wilson(hits, n), wilson(other_hits, other_n)
    return joined((hits / n, ours), (other_hits / other_n, theirs), 0.0, "Newcombe")


def joined(
    ours: tuple[float, Interval], theirs: tuple[float, Interval], correlation: float, method: str
) -> Interval:
    """Interval of a difference out of the intervals of both estimates and their correlation.

    MOVER: Zou & Donner 2008, Stat. Med. 27:1693-1702; without correlation it is Newcombe's.
    """
    (share, mine), (other, yours) = ours, theirs

    def reach(down: float, up: float) -> float:
        return math.sqrt(max(0.0, down * down + up * up - 2 * correlation * down * up))

    gap = share - other
    below = reach(share - mine.low, yours.high - other)
    above = reach(mine.high - share, other - yours.low)
    return Interval(gap - below, gap + above, method)


def over_seeds(
    values: Sequence[float], low: float = -math.inf, high: float = math.inf
) -> Interval | None:
    """95% t interval of the mean over seeds, each seed one observation; None below two seeds.

    Student 1908, Biometrika 6:1-25. Seeds vary more than completions do, so completions of
    different seeds are never pooled into one binomial. ``low`` and ``high`` bound the scale.
    """
    if len(values) < 2:
        return None
    mean = fmean(values)
    half = t_quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    method = f"t over {len(values)} seeds"
    return Interval(max(mean - half, low), min(mean + half, high), method)


def no_narrower(seeds: Interval | None, counting: Interval) -> Interval | None:
    """Widen an interval over seeds to what the counts alone leave open.

    Three seeds that agree by chance have no spread, and a t interval without width would claim
    certainty. ``counting`` is the interval of all their completions taken together, which is the
    least uncertainty there can be.
    """
    if seeds is None:
        return None
    method = f"{seeds.method}, no narrower than {counting.method}"
    return Interval(min(seeds.low, counting.low), max(seeds.high, counting.high), method)
