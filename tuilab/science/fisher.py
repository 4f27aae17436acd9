"""Fisher's exact test of many 2 x 2 tables in one pass, bit for bit what scipy's says of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import hypergeom

Table = tuple[int, int, int, int]
"""Hits and n of one rate, hits and n of the other."""
_Whole = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]
_EPSILON: Final = 1e-14
"""Relative difference up to which ``scipy.stats.fisher_exact`` calls two probabilities equal."""


def fisher_p_values(tables: Sequence[Table]) -> list[float]:
    """Two-sided p (Fisher 1935) of each pair of rates, in the order given; every n above 0.

    The algorithm is that of ``scipy.stats.fisher_exact``, which takes over a millisecond a table,
    nearly all of it to check arguments; a grid asks for thousands, and for the same ones again.
    """
    different = sorted(set(tables))
    if not different:
        return []
    hits, n, other_hits, other_n = np.array(different, dtype=np.int64).T
    p_values = _two_sided(hits, _Margins(n + other_n, n, hits + other_hits))
    known = dict(zip(different, p_values.tolist(), strict=True))
    return [known[table] for table in tables]


@dataclass(frozen=True, slots=True)
class _Margins:
    """The sums of many tables, which are given; the hits of the first rate are what chance draws.

    Each function takes one count of such hits per table.
    """

    total: _Whole
    n: _Whole
    hits: _Whole

    def pmf(self, at: _Whole) -> _Float:
        found: _Float = hypergeom.pmf(at, self.total, self.n, self.hits)
        return found

    def cdf(self, at: _Whole) -> _Float:
        found: _Float = hypergeom.cdf(at, self.total, self.n, self.hits)
        return found

    def sf(self, at: _Whole) -> _Float:
        found: _Float = hypergeom.sf(at, self.total, self.n, self.hits)
        return found

    def only(self, chosen: npt.NDArray[np.bool_]) -> "_Margins":
        return _Margins(self.total[chosen], self.n[chosen], self.hits[chosen])


def _two_sided(hits: _Whole, margins: _Margins) -> _Float:
    """Add up all tables that are no likelier than the observed one."""
    mode = ((margins.hits + 1) * (margins.n + 1) / (margins.total + 2)).astype(np.int64)
    exact, largest = margins.pmf(hits), margins.pmf(mode)
    is_open = (margins.hits > 0) & (margins.hits < margins.total)
    is_open &= np.abs(exact - largest) > _EPSILON * np.maximum(exact, largest)
    limit = exact * (1 + _EPSILON)
    p = np.ones(len(hits))
    for tails, side in ((_from_below, hits < mode), (_from_above, hits >= mode)):
        if (chosen := is_open & side).any():
            of = margins.only(chosen)
            p[chosen] = tails(hits[chosen], mode[chosen], limit[chosen], of)
    return np.minimum(p, 1.0)


def _from_below(hits: _Whole, mode: _Whole, limit: _Float, of: _Margins) -> _Float:
    near = of.cdf(hits)
    far = of.sf(_last_within(-1, -limit, mode, of.hits, of))
    return np.where(of.pmf(of.hits) > limit, near, near + far)


def _from_above(hits: _Whole, mode: _Whole, limit: _Float, of: _Margins) -> _Float:
    none = np.zeros_like(hits)
    near = of.sf(hits - 1)
    far = of.cdf(_last_within(1, limit, none, mode, of))
    return np.where(of.pmf(none) > limit, near, near + far)


def _last_within(sign: int, limit: _Float, low: _Whole, high: _Whole, of: _Margins) -> _Whole:
    """Search low..high, where ``sign`` times the probability rises, for the last one in limit."""
    while (is_open := low < high).any():
        middle = low + (high - low) // 2
        value = sign * of.pmf(middle)
        is_hit = is_open & (value == limit)
        low = np.where(is_open & (value < limit), middle + 1, np.where(is_hit, middle, low))
        high = np.where(is_open & (value > limit), middle - 1, np.where(is_hit, middle, high))
    return np.where(sign * of.pmf(low) <= limit, low, low - 1)
