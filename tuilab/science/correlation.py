"""Rank correlation over sources, with p values that are exact where they can be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import factorial, sqrt
from statistics import fmean
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from tuilab.science.error_rates import ALPHA
from tuilab.science.significance import holm

EXACT_UP_TO: Final = 9
"""Largest N for which all N! permutations are enumerated (9! = 362,880)."""

MONTE_CARLO: Final = 99_999
"""Random permutations beyond that."""
_ROUNDING: Final = 1e-12
"""Two |rho| closer than this are equal."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """Spearman's rho of two columns over sources, with its permutation p value."""

    y: str
    """What was correlated with the cosine."""
    n: int
    """Sources with both values."""
    rho: float | None
    """Rank correlation, ties averaged; None when it is undefined (see ``reason``)."""
    p: float | None
    """Two-sided: share of permutations with |rho| at least as large."""
    method: str
    """"exact" or "Monte Carlo"; "" when undefined."""
    extreme: int = 0
    """Permutations with |rho| at least as large as observed."""
    permutations: int = 0
    """Permutations looked at; all N! when exact."""
    p_error: float | None = None
    """Standard error of a Monte Carlo p; None when exact."""
    tests: int = 1
    """How many correlations were computed together: read p against that number."""
    p_holm: float | None = None
    """p after Holm's correction over those tests; None when rho is undefined."""
    least_p: float | None = None
    """The smallest p that any order of these sources could have given."""
    needed: float | None = None
    """The smallest |rho| that is significant after Holm over those tests; None for none."""
    reason: str = ""
    """Why rho is undefined."""
    left_out: tuple[str, ...] = ()
    """Sources without one of the two values."""


def spearman(
    x: Sequence[float], y: Sequence[float], name: str = "y", tests: int = 1
) -> Correlation:
    """Spearman's rho (1904, Am. J. Psychol. 15:72-101) with a permutation p value.

    Up to N = 9 all N! pairings are enumerated and p = extreme / N!. Beyond, 99,999 seeded
    random pairings give p = (extreme + 1) / 100,000 (Phipson & Smyth 2010) with standard error
    sqrt(p (1 - p) / 99,999). rho is undefined below three points or for a constant column.
    """
    reason = _why_undefined(x, y)
    if reason:
        return Correlation(name, len(x), None, None, "", tests=tests, reason=reason)
    ranks = _ranks(x, y)
    centred = [np.array(one) - fmean(one) for one in ranks]
    rho = float(centred[0] @ centred[1] / np.sqrt(np.prod([one @ one for one in centred])))
    strengths = _strengths(*ranks)
    exact = len(x) <= EXACT_UP_TO
    looked_at = len(strengths)
    extreme = int((strengths >= abs(rho) - _ROUNDING).sum())
    p = extreme / looked_at if exact else (extreme + 1) / (looked_at + 1)
    return Correlation(
        name,
        n=len(x),
        rho=rho,
        p=p,
        method="exact" if exact else "Monte Carlo",
        extreme=extreme,
        permutations=looked_at,
        p_error=None if exact else sqrt(p * (1 - p) / looked_at),
        tests=tests,
        least_p=float((strengths >= strengths.max() - _ROUNDING).mean()) if exact else p,
        needed=_needed(strengths, ALPHA / tests),
    )


def least_sources(tests: int) -> int:
    """Fewest sources with which one of so many rank correlations can be significant at all.

    The smallest p of N untied sources is 2 / N!, and Holm multiplies it by the number of tests.
    """
    count = 3
    while tests * 2 / factorial(count) >= ALPHA:
        count += 1
    return count


def correlate(
    x: Mapping[str, float | None],
    ys: Mapping[str, Mapping[str, float | None]],
) -> tuple[Correlation, ...]:
    """Correlate one column with several over sources; ``tests`` says how many there were.

    Sources lacking either value are left out and named; p_holm corrects over all of ``ys``.
    """
    results = []
    for name, y in ys.items():
        keys = [*x, *(key for key in y if key not in x)]
        pairs = {key: (x.get(key), y.get(key)) for key in keys}
        both = [(a, b) for a, b in pairs.values() if a is not None and b is not None]
        columns = [a for a, _ in both], [b for _, b in both]
        left_out = tuple(key for key, (a, b) in pairs.items() if a is None or b is None)
        results.append(replace(spearman(*columns, name, len(ys)), left_out=left_out))
    corrected = iter(holm([one.p for one in results if one.p is not None], len(ys)))
    return tuple(one if one.p is None else replace(one, p_holm=next(corrected)) for one in results)


def _why_undefined(x: Sequence[float], y: Sequence[float]) -> str:
    if len(x) < 3:
        return f"{len(x)} sources have both values; a rank correlation needs at least three"
    if len(set(x)) == 1 or len(set(y)) == 1:
        return "one of the columns is constant, so there is nothing to rank"
    return ""


def _ranks(x: Sequence[float], y: Sequence[float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    # Sorted pairs: row order must not change which random permutations are drawn.
    pairs = pd.DataFrame(sorted(zip(x, y, strict=True)))
    return tuple(pairs[0].rank()), tuple(pairs[1].rank())


def _needed(strengths: npt.NDArray[np.float64], level: float) -> float | None:
    """Smallest |rho| among the permutations whose p lies below ``level``."""
    values, counts = np.unique(np.round(strengths, 9), return_counts=True)
    p = np.cumsum(counts[::-1])[::-1] / len(strengths)
    enough = values[p < level]
    return float(enough[0]) if len(enough) else None


@lru_cache(maxsize=64)
def _strengths(x: tuple[float, ...], y: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """|rho| of every permutation of the ranks x, or of so many random ones."""
    fixed = np.asarray(y) - np.mean(y)
    ranks = np.asarray(x) - np.mean(x)
    if len(x) <= EXACT_UP_TO:
        moved = ranks[_permutations(len(x))]
    else:
        many = np.broadcast_to(ranks, (MONTE_CARLO, len(x)))
        moved = np.random.default_rng(0).permuted(many, axis=1)
    strengths: npt.NDArray[np.float64] = np.abs(moved @ fixed)
    strengths /= np.sqrt((ranks @ ranks) * (fixed @ fixed))
    return strengths


def _permutations(count: int) -> npt.NDArray[np.int64]:
    """All orders of 0 .. count - 1, one a row."""
    found = np.zeros((1, 1), dtype=np.int64)
    for size in range(2, count + 1):
        rows = [np.insert(found, place, size - 1, axis=1) for place in range(size)]
        found = np.concatenate(rows)
    return found
