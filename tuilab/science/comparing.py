"""Whether counting alone explains how far apart two experiments are, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuilab.grid.metrics import Measurement
from tuilab.science.fisher import Table, fisher_p_values
from tuilab.science.intervals import Interval, difference
from tuilab.science.significance import ALPHA, counts, holm

Pair = tuple[Measurement | None, Measurement | None]
"""The same number of the same cell in one experiment and in the other; None = not measured."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What is known of the other's rate minus the one's; both have counts."""

    interval: Interval
    """95% Newcombe interval, not corrected for multiplicity."""
    p: float
    """Two-sided Fisher exact p."""
    p_holm: float
    """The same after Holm's correction over all cells that both experiments plan."""

    @property
    def is_beyond_chance(self) -> bool:
        """Whether two samples of one and the same rate would hardly be so far apart.

        It knows the noise of counting completions only: a second training run differs by more.
        """
        return self.p_holm < ALPHA


def gaps(pairs: Sequence[Pair]) -> list[Gap | None]:
    """Test each pair of rates; None where a side was not measured or has no counts, as a cosine.

    Pairs without a test stay in the family of the correction.
    """
    tables = [_table(pair) for pair in pairs]
    known = [table for table in tables if table is not None]
    p_values = fisher_p_values(known)
    judged = (
        Gap(difference(*table), p, p_holm)
        for table, p, p_holm in zip(known, p_values, holm(p_values, len(pairs)), strict=True)
    )
    return [None if table is None else next(judged) for table in tables]


def _table(pair: Pair) -> Table | None:
    """Return the counts of both, the other's first."""
    one, other = map(counts, pair)
    return None if one is None or other is None else (*other, *one)
