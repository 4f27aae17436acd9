"""A rate by its questions: ten answers to one question are not ten independent answers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from tuilab.science.distributions import t_quantile, variance
from tuilab.science.intervals import Interval, joined, score

CellKey = tuple[str, int, int, str]
"""source, epoch, seed, persona."""


@dataclass(frozen=True, slots=True)
class Questions:
    """How many answers to each question hit; every question was answered equally often."""

    hits: tuple[int, ...]
    """Per question, in the order in which all cells of an experiment ask them."""
    samples: int
    """Answers to each question; above 0."""

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
    def design_effect(self) -> float:
        """Variance of the rate over that of n independent answers; never below 1.

        Kish 1965, Survey Sampling, by the variance between questions: s^2 / Q over p (1 - p) / n.
        What lies above 1 is raised by its own standard error, sqrt(2 / (Q - 1)) of it, because few
        questions understate it more often than not; whole questions that agree give ``samples``.
        """
        alone = self.rate * (1 - self.rate) / self.n
        if len(self.hits) < 2 or not alone:
            return 1.0
        excess = variance(self.rates) / len(self.hits) / alone - 1
        raised = excess * (1 + math.sqrt(2 / (len(self.hits) - 1)))
        return 1 + min(max(raised, 0.0), self.samples - 1.0)

    @property
    def interval(self) -> Interval | None:
        """95% score interval at n / design effect, t on questions - 1; None for one question.

        After Korn & Graubard 1998 (Surv. Methodol. 24:193-201) and Franco et al. 2019
        (J. Surv. Stat. Methodol. 7:334-364), with Wilson's limits.
        """
        count = len(self.hits)
        if count < 2:
            return None
        effective = self.n / self.design_effect
        return score(self.rate, effective, t_quantile(count - 1), f"Wilson over {count} questions")

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


Asked = Mapping[CellKey, Questions]
"""Where a cell has its questions, its interval knows them."""


def paired_difference(ours: Questions, theirs: Questions) -> Interval | None:
    """95% interval of our rate minus theirs where both answered the same questions.

    The intervals of both, joined with the correlation of their question rates (``joined``); None
    where the questions cannot be paired.
    """
    mine, yours = ours.interval, theirs.interval
    if mine is None or yours is None or len(ours.hits) != len(theirs.hits):
        return None
    shared = _correlation(ours.rates, theirs.rates)
    return joined((ours.rate, mine), (theirs.rate, yours), shared, f"paired {mine.method}")


def _correlation(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Pearson's; 0 where one of the two is constant."""
    mine, yours = fmean(ours), fmean(theirs)
    shared = math.fsum((a - mine) * (b - yours) for a, b in zip(ours, theirs, strict=True))
    size = math.sqrt(variance(ours) * variance(theirs)) * (len(ours) - 1)
    return shared / size if size else 0.0
