"""Estimates a weighted sum of rates, by questions where they are known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from tuilab.science.distributions import t_quantile, variance
from tuilab.science.error_rates import ALPHA
from tuilab.science.intervals import Interval, no_narrower, over_seeds
from tuilab.science.questions import ask_the_same
from tuilab.science.trajectories import Point

Weighted = tuple[float, Point]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A sum of weighted rates with its 95% interval; None where it has no counts."""

    value: float
    interval: Interval | None
    counting: float = 0.0
    """Variance from drawing every answer again; what has no interval has none."""
    by_question: tuple[float, ...] = ()
    """The sum within each question; () where not all rates answer the same."""


def combine(terms: Sequence[Weighted], error: float = ALPHA) -> Estimate | None:
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
    interval = _interval(value, counting, by_question, error)
    return Estimate(value, interval, counting, by_question)


def over_cells(found: Sequence[Estimate]) -> Estimate | None:
    """Return one estimate as it is, or the mean of several seeds; None for none.

    Student's t over seeds, no narrower than counting and, where all answer the same number of
    questions, than t over the questions: more seeds answer no others.
    """
    if len(found) < 2:
        return found[0] if found else None
    values = [one.value for one in found]
    value, seeds = fmean(values), over_seeds(values)
    if any(one.interval is None for one in found):
        return Estimate(value, seeds)
    counting = math.fsum(one.counting for one in found) / len(found) ** 2
    lengths = {len(one.by_question) for one in found}
    each = [one.by_question for one in found] if len(lengths) == 1 else []
    by_question = tuple(fmean(column) for column in zip(*each, strict=True))
    least = _interval(value, counting, by_question, ALPHA)
    return Estimate(value, no_narrower(seeds, least), counting, by_question)


def _interval(
    value: float, counting: float, by_question: Sequence[float], error: float
) -> Interval:
    spread, df, method = counting, math.inf, "normal"
    if by_question:
        df = len(by_question) - 1
        spread = max(counting, variance(by_question) / len(by_question))
        method = f"t over {len(by_question)} questions"
    half = t_quantile(df, error) * math.sqrt(spread)
    return Interval(value - half, value + half, method)


def _by_question(terms: Sequence[Weighted]) -> tuple[float, ...]:
    """Sum within each question; () where not all rates answer the same questions."""
    if not ask_the_same([point.questions for _, point in terms]):
        return ()
    rates = [(weight, point.questions.rates) for weight, point in terms if point.questions]
    return tuple(
        math.fsum(weight * one[place] for weight, one in rates) for place in range(len(rates[0][1]))
    )
