"""Student's t, chi-square and the normal, without scipy.stats: it takes a second to import."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import Final

NORMAL_95: Final = NormalDist().inv_cdf(0.975)
"""1.96: a normal value lies within so many standard deviations 95% of the time."""
_TINY: Final = 1e-300
_STEPS: Final = 10_000


def variance(values: Sequence[float]) -> float:
    """Sample variance (n - 1) of two values or more; that of statistics is exact, and slow."""
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def t_two_sided(t: float, df: float) -> float:
    """Probability that |T| of Student's t with ``df`` (any number above 0) is at least |t|.

    By the incomplete beta function: Abramowitz & Stegun 1964, 26.7.1.
    """
    if math.isnan(t):
        return math.nan
    square = t * t
    return _beta(df / (df + square), square / (df + square), df / 2, 0.5)


@lru_cache(maxsize=10_000)
def t_quantile(df: float, two_sided: float = 0.05) -> float:
    """Return the t that |T| reaches with this probability, to 12 digits."""
    if not math.isfinite(df):
        return NormalDist().inv_cdf(1 - two_sided / 2)
    # The tail is convex, and the normal's quantile lies below: Newton's steps never overshoot.
    t = NormalDist().inv_cdf(1 - two_sided / 2)
    log = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2
    for _ in range(_STEPS):
        density = math.exp(log - (df + 1) / 2 * math.log1p(t * t / df))
        step = (t_two_sided(t, df) - two_sided) / (2 * density)
        t += step
        if step <= 1e-13 * t:
            break
    return t


def chi_square_above(x: float, df: float) -> float:
    """Probability that chi-square with ``df`` is at least x (Abramowitz & Stegun, 6.5.29, 31)."""
    a, half = df / 2, x / 2
    if half <= 0:
        return 1.0
    front = math.exp(a * math.log(half) - half - math.lgamma(a))
    if half < a + 1:
        term = total = 1 / a
        for step in range(1, _STEPS):
            term *= half / (a + step)
            total += term
            if term < total * 1e-16:
                break
        return 1 - front * total
    return front / _fraction(
        lambda n: (half + 1 - a + 2 * n, -n * (n - a) if n else 1.0), half + 1 - a
    )


def _beta(x: float, rest: float, a: float, b: float) -> float:
    """Incomplete beta function I_x(a, b), regularised (26.5.8 there); ``rest`` is 1 - x."""
    if x <= 0 or rest <= 0:
        return float(rest <= 0)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(rest, x, b, a)
    log = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(log + a * math.log(x) + b * math.log(rest)) / a

    def term(n: int) -> tuple[float, float]:
        m = n // 2
        if n % 2:
            return 1.0, -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        return 1.0, m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)) if m else 1.0

    return front / _fraction(term, 1.0)


def _fraction(term: Callable[[int], tuple[float, float]], first: float) -> float:
    """Value of first + a1/(b1 + a2/(b2 + ...)) by Lentz's method; ``term(n)`` is (b_n, a_n)."""
    value = first or _TINY
    ahead, behind = value, 0.0
    for step in range(1, _STEPS):
        b, a = term(step)
        behind = 1 / ((b + a * behind) or _TINY)
        ahead = (b + a / ahead) or _TINY
        change = ahead * behind
        value *= change
        if abs(change - 1) < 1e-16:
            break
    return value
