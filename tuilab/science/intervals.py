"""Intervals for a rate and for the difference of two rates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided 95% interval in the unit of its estimate."""

    low: float
    """Lower limit."""
    high: float
    """Upper limit."""
    method: str
    """How it was made: "Wilson", "Newcombe", "question bootstrap", "t over 3 seeds"."""

    def __contains__(self, value: float) -> bool:
        """Whether a value lies inside, limits included."""
        return self.low <= value <= self.high


# In closed form: a screen that shows one interval must not load scipy.
@lru_cache(maxsize=100_000)
def wilson(hits: int, n: int) -> Interval:
    """95% score interval of hits / n (Wilson 1927, J. Am. Stat. Assoc. 22:209-212).

    Raises:
        ValueError: when n is not positive or hits do not fit into n.
    """
    if n <= 0 or not 0 <= hits <= n:
        raise ValueError(f"{hits} hits of n = {n} is not a rate; n must be positive.")
    share, shrink = hits / n, 1 + _Z**2 / n
    middle = (share + _Z**2 / (2 * n)) / shrink
    half = _Z / shrink * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    # Rounding can leave a limit a few ulp inside the estimate or outside 0..1.
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Interval(
        0.0 if hits == 0 else min(low, share), 1.0 if hits == n else max(high, share), "Wilson"
    )


def difference(hits: int, n: int, other_hits: int, other_n: int) -> Interval:
    """95% interval of hits/n - other_hits/other_n, two independent samples.

    Hybrid score interval without continuity correction: Newcombe 1998, Stat. Med. 17:873-890,
    method 10. It joins the two Wilson intervals, so it stays inside -1..1.
    """
    ours, theirs = wilson(hits, n), wilson(other_hits, other_n)
    share, other = hits / n, other_hits / other_n
    below = math.hypot(share - ours.low, theirs.high - other)
    above = math.hypot(ours.high - share, other - theirs.low)
    return Interval(share - other - below, share - other + above, "Newcombe")


def over_seeds(
    values: Sequence[float], low: float = -math.inf, high: float = math.inf
) -> Interval | None:
    """95% t interval of the mean over seeds, each seed one observation; None below two seeds.

    Student 1908, Biometrika 6:1-25. Seeds vary more than completions do, so completions of
    different seeds are never pooled into one binomial. ``low`` and ``high`` bound the scale.
    """
    from scipy import stats

    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    error = float(stats.sem(list(values)))
    half = float(stats.t.ppf(0.975, len(values) - 1)) * error
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
