"""How far apart two experiments are, cell by cell, and whether counting alone explains it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuilab.grid.metrics import Measurement
from tuilab.science.intervals import Interval, difference
from tuilab.science.significance import ALPHA, counts, fisher_p, holm

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
    raw = [None if are_picked else _fisher(pair) for pair in pairs]
    tested = [p for p in raw if p is not None]
    adjusted = iter(holm(tested, len(pairs)))
    return [
        _gap(pair, p, None if p is None else next(adjusted))
        for pair, p in zip(pairs, raw, strict=True)
    ]


def _gap(pair: Pair, p: float | None, p_holm: float | None) -> Gap | None:
    one, other = pair
    if one is None or other is None:
        return None
    known = None if p is None else _both_counts(pair)
    interval = None if known is None else difference(*known[1], *known[0])
    return Gap(other.value - one.value, interval, p, p_holm)


def _fisher(pair: Pair) -> float | None:
    known = _both_counts(pair)
    return None if known is None else fisher_p(*known[0], *known[1])


def _both_counts(pair: Pair) -> tuple[tuple[int, int], tuple[int, int]] | None:
    one, other = map(counts, pair)
    return None if one is None or other is None else (one, other)
