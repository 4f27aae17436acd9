"""Fisher's exact test of many 2 x 2 tables in one pass."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Table = tuple[int, int, int, int]
"""Hits and n of one rate, hits and n of the other."""
_SAME: Final = 1e-8
"""Relative difference up to which two probabilities are equal: far above the rounding of logs."""


def fisher_p_values(tables: Sequence[Table]) -> list[float]:
    """Two-sided p (Fisher 1935) of each pair of rates, in the order given; every n above 0.

    ``scipy.stats.fisher_exact`` takes over a millisecond a table, nearly all of it to check
    arguments, after a second to import; a grid asks for thousands, and for the same ones again.
    """
    if not tables:
        return []
    most = max(n + other_n for _, n, _, other_n in tables)
    logs = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1.0, most + 1)))))
    known = {table: _two_sided(table, logs) for table in set(tables)}
    return [known[table] for table in tables]


def _two_sided(table: Table, log_factorials: npt.NDArray[np.float64]) -> float:
    """Add up all tables of the same margins that are no likelier than this one."""
    hits, n, other_hits, other_n = table
    all_hits = hits + other_hits
    least = max(0, all_hits - other_n)
    drawn = np.arange(least, min(n, all_hits) + 1)
    rest = all_hits - drawn
    of = log_factorials
    logs = -(of[drawn] + of[n - drawn] + of[rest] + of[other_n - rest])
    likely = np.exp(logs - logs.max())
    as_unlikely = likely <= likely[hits - least] * (1 + _SAME)
    return float(min(1.0, likely[as_unlikely].sum() / likely.sum()))
