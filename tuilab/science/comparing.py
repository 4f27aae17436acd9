"""How far apart two experiments are, cell by cell, and whether counting alone explains it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuilab.grid.metrics import Measurement
from tuilab.science.exact_test import Table, fisher_p_values
from tuilab.science.intervals import Interval, difference
from tuilab.science.significance import ALPHA, counts, holm

Pair = tuple[Measurement | None, Measurement | None]
"""The same number of the same cell in one experiment and in the other; None = not measured."""


@dataclass(frozen=True, slots=True)
class Gap:
    """The other's number minus the one's."""

    value: float
    """On the scale of the number: 0..1 for rates."""
    interval: Interval | None = None
    """95% Newcombe interval, not corrected for multiplicity; None without counts on both sides."""
    p: float | None = None
    """Two-sided Fisher exact p."""
    p_holm: float | None = None
    """The same after Holm's correction over all cells that both experiments plan."""

    @property
    def is_beyond_chance(self) -> bool:
        """Whether two samples of one and the same rate would hardly be so far apart.

        It knows the noise of counting completions only: a second training run differs by more.
        """
        return self.p_holm is not None and self.p_holm < ALPHA


def gaps(pairs: Sequence[Pair], are_picked: bool = False) -> list[Gap | None]:
    """Return the gap of each pair; None, never 0, where a side was not measured.

    Unmeasured pairs stay in the family of the correction. Numbers that ``are_picked``, as the
    largest of several personas, are no samples of one rate and not tested.
    """
    tables = [None if are_picked else _table(pair) for pair in pairs]
    tested = [table for table in tables if table is not None]
    p_values = fisher_p_values(tested)
    judged = zip(tested, p_values, holm(p_values, len(pairs)), strict=True)
    return [
        _gap(pair) if table is None else _gap(pair, *next(judged))
        for pair, table in zip(pairs, tables, strict=True)
    ]


def _gap(
    pair: Pair, table: Table | None = None, p: float | None = None, p_holm: float | None = None
) -> Gap | None:
    one, other = pair
    if one is None or other is None:
        return None
    return Gap(other.value - one.value, None if table is None else difference(*table), p, p_holm)


def _table(pair: Pair) -> Table | None:
    """Return the counts of both, the other's first; None where a side has none."""
    one, other = map(counts, pair)
    return None if one is None or other is None else (*other, *one)
