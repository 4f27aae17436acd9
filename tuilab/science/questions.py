"""A rate by its questions: ten answers to one question are not ten independent answers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import correlation, fmean
from typing import Final

from tuilab.grid.metrics import Measurement, Row, hits_by_question
from tuilab.science.distributions import t_quantile, variance
from tuilab.science.intervals import Interval, difference, joined, score, wilson

PAIRED: Final = "paired"
"""How the name of a method begins that takes differences within each question."""


@dataclass(frozen=True, slots=True)
class Questions:
    """How many answers to each question hit; every question was answered equally often."""

    hits: tuple[int, ...]
    """Per question, in the order in which all cells of an experiment ask them."""
    samples: int
    """Answers to each question; above 0."""
    asked: str = ""
    """Hash of the questions; "" where nothing names them, as in a table from elsewhere."""

    @property
    def n(self) -> int:
        """All answers."""
        return len(self.hits) * self.samples

    @property
    def rate(self) -> float:
        """Share of the answers that hit."""
        return sum(self.hits) / self.n

    @property
    def rates(self) -> list[float]:
        """Rate of each question."""
        return [count / self.samples for count in self.hits]

    @property
    def interval(self) -> Interval:
        """95% interval of the rate, see ``rate_interval``."""
        squares = sum(one * one for one in self.hits)
        return rate_interval(sum(self.hits), self.n, len(self.hits), squares)

    @property
    def counting_variance(self) -> float:
        """Variance of the rate from drawing answers again to the same questions.

        Of questions answered once nothing is known, and all of it counts as between questions.
        """
        if self.samples < 2:
            return 0.0
        within = fmean(one * (1 - one) for one in self.rates) / (self.samples - 1)
        return within / len(self.hits)

    @property
    def question_variance(self) -> float:
        """Variance of the rate from drawing other questions: the ANOVA estimate, maybe below 0."""
        if len(self.hits) < 2:
            return 0.0
        return variance(self.rates) / len(self.hits) - self.counting_variance


def questions_of(row: Row) -> Questions | None:
    """Return the hits by question of a measured row; None where they are not known."""
    hits = hits_by_question(row)
    asked = row.get("questions")
    name = asked if isinstance(asked, str) else ""
    return Questions(hits, int(row["n"]) // len(hits), name) if hits else None


def together(several: Sequence[Questions | None]) -> Questions | None:
    """Return the answers of several cells to the same questions as one; None where they differ.

    More seeds answer no other questions: what drawing these leaves open, they do not remove.
    """
    known = [one for one in several if one is not None]
    if not ask_the_same(several):
        return None
    hits = tuple(map(sum, zip(*(one.hits for one in known), strict=True)))
    return Questions(hits, sum(one.samples for one in known), known[0].asked)


def ask_the_same(several: Sequence[Questions | None]) -> bool:
    """Whether all answer the same questions, two or more, so that they can be paired by them."""
    asked = {(one.asked, len(one.hits)) for one in several if one is not None}
    return None not in several and len(asked) == 1 and min(count for _, count in asked) > 1


def interval_of(found: Measurement | None) -> Interval | None:
    """Return the one 95% interval of a number, wherever it is shown.

    None where no completions are counted, and for the largest over personas, which is picked.
    """
    if found is None or found.hits is None or not found.n or found.who:
        return None
    return rate_interval(found.hits, found.n, found.questions, found.squares)


def rate_interval(
    hits: int, n: int, questions: int | None = None, squares: int | None = None
) -> Interval:
    """95% interval of hits / n, by its questions where they are known.

    A score interval at n / design effect, t on questions - 1: Korn & Graubard 1998 (Surv.
    Methodol. 24:193-201) and Franco et al. 2019 (J. Surv. Stat. Methodol. 7:334-364), with
    Wilson's limits. Wilson's own where nothing, or a single question, is known.

    Args:
        hits: answers that hit.
        n: all answers.
        questions: to which equally many of them were given; None where that is not known.
        squares: sum over the questions of their hits squared.
    """
    if questions is None or squares is None or questions < 2:
        return wilson(hits, n)
    effective = n / design_effect(hits, n, questions, squares)
    return score(
        hits / n, effective, t_quantile(questions - 1), f"Wilson over {questions} questions"
    )


def design_effect(hits: int, n: int, questions: int, squares: int) -> float:
    """Variance of the rate over that of n independent answers; never below 1.

    Kish 1965, Survey Sampling, by the variance between questions: s^2 / Q over p (1 - p) / n.
    What lies above 1 is raised by its own standard error, sqrt(2 / (Q - 1)) of it, because few
    questions understate it more often than not; whole questions that agree give n / Q.
    """
    alone = hits * (n - hits) / n**3
    if questions < 2 or not alone:
        return 1.0
    samples = n / questions
    between = (squares - hits * hits / questions) / (questions - 1) / samples**2
    excess = between / questions / alone - 1
    raised = excess * (1 + math.sqrt(2 / (questions - 1)))
    return 1 + min(max(raised, 0.0), samples - 1)


def paired_difference(ours: Questions, theirs: Questions) -> Interval | None:
    """95% interval of our rate minus theirs where both answered the same questions.

    The intervals of both, joined with the correlation of their question rates (``joined``), no
    narrower than that of as many independent answers: questions that agree by chance are no
    certainty. None where the questions cannot be paired.
    """
    if not ask_the_same((ours, theirs)):
        return None
    mine, yours = ours.interval, theirs.interval
    is_constant = 1 in (len(set(ours.hits)), len(set(theirs.hits)))
    shared = 0.0 if is_constant else correlation(ours.rates, theirs.rates)
    found = joined((ours.rate, mine), (theirs.rate, yours), shared, f"{PAIRED} {mine.method}")
    counting = difference(sum(ours.hits), ours.n, sum(theirs.hits), theirs.n)
    low, high = min(found.low, counting.low), max(found.high, counting.high)
    return Interval(low, high, found.method)
