"""Estimates a weighted sum of rates, by questions where they are known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tuilab.science.distributions import t_quantile, variance
from tuilab.science.intervals import Interval
from tuilab.science.questions import ask_the_same
from tuilab.science.trajectories import Point

Weighted = tuple[float, Point]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A sum of weighted rates with its 95% interval; None where it has no counts."""

    value: float
    interval: Interval | None


def combine(terms: Sequence[Weighted], error: float = 0.05) -> Estimate | None:
    """Estimate the sum of weight times rate; None where a rate is not measured.

    Where all rates answer the same questions the sum is taken within each, and its interval is
    Student's t over questions (a paired t test), no narrower than counting alone would make it.
    Otherwise it is normal, with the variance of independent answers.
    """
    if not terms or any(point.counted is None for _, point in terms):
        return None
    value = math.fsum(weight * (point.counted or 0.0) for weight, point in terms)
    counted = [(weight, point.counted or 0.0, point.n) for weight, point in terms if point.n]
    if len(counted) < len(terms):
        return Estimate(value, None)
    # A rate of 0 or 1 is given the variance that one hit (or miss) would have.
    counting = math.fsum(w * w * max(rate * (1 - rate), 1 / n) / n for w, rate, n in counted if n)
    by_question = _by_question(terms)
    spread, df, method = counting, math.inf, "normal"
    if by_question is not None:
        df = len(by_question) - 1
        spread = max(counting, variance(by_question) / len(by_question))
        method = f"t over {len(by_question)} questions"
    half = t_quantile(df, error) * math.sqrt(spread)
    return Estimate(value, Interval(value - half, value + half, method))


def _by_question(terms: Sequence[Weighted]) -> list[float] | None:
    """Sum within each question; None where not all rates answer the same questions."""
    if not ask_the_same([point.questions for _, point in terms]):
        return None
    rates = [(weight, point.questions.rates) for weight, point in terms if point.questions]
    return [
        math.fsum(weight * one[place] for weight, one in rates) for place in range(len(rates[0][1]))
    ]
