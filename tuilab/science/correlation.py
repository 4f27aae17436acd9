"""Rank correlation over sources, with p values that are exact where they can be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import sqrt
from typing import Final

import numpy as np
from scipy import stats

from tuilab.science.significance import holm

EXACT_UP_TO: Final = 9
"""Largest N for which all N! permutations are enumerated (9! = 362,880)."""

MONTE_CARLO: Final = 99_999
"""Random permutations beyond that."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """Spearman's rho of two columns over sources, with its permutation p value."""

    x: str
    """Name of the first column."""
    y: str
    """Name of the second column."""
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
    reason: str = ""
    """Why rho is undefined."""
    left_out: tuple[str, ...] = ()
    """Sources without one of the two values."""


def spearman(
    x: Sequence[float],
    y: Sequence[float],
    *,
    names: tuple[str, str] = ("x", "y"),
    seed: int = 0,
    resamples: int = MONTE_CARLO,
) -> Correlation:
    """Spearman's rho (1904, Am. J. Psychol. 15:72-101) with a permutation p value.

    Up to N = 9 all N! pairings are enumerated and p = extreme / N!. Beyond, ``resamples`` seeded
    random pairings give p = (extreme + 1) / (resamples + 1) (Phipson & Smyth 2010) with standard
    error sqrt(p (1 - p) / resamples). rho is undefined below three points or for a constant column.
    """
    if len(x) != len(y):
        raise ValueError(f"{len(x)} and {len(y)} values cannot be paired.")
    if not np.isfinite([*x, *y]).all():
        raise ValueError("A missing value cannot be ranked; leave the pair out.")
    reason = _why_undefined(x, y)
    if reason:
        return Correlation(*names, len(x), None, None, "", reason=reason)
    # Sorted pairs: row order must not change which random permutations are drawn.
    pairs = sorted(zip(x, y, strict=True))
    ranks = tuple(stats.rankdata([pair[i] for pair in pairs]) for i in (0, 1))
    rho = float(stats.pearsonr(*ranks).statistic)
    p, extreme, looked_at = _permutation_p(
        tuple(ranks[0].tolist()), tuple(ranks[1].tolist()), seed, resamples
    )
    exact = len(x) <= EXACT_UP_TO
    return Correlation(
        *names,
        n=len(x),
        rho=rho,
        p=p,
        method="exact" if exact else "Monte Carlo",
        extreme=extreme,
        permutations=looked_at,
        p_error=None if exact else sqrt(p * (1 - p) / looked_at),
        p_holm=p,
    )


def correlate(
    x: Mapping[str, float | None],
    ys: Mapping[str, Mapping[str, float | None]],
    *,
    x_name: str,
    seed: int = 0,
) -> tuple[Correlation, ...]:
    """Correlate one column with several over sources; ``tests`` says how many there were.

    Sources lacking either value are left out and named; p_holm corrects over all of ``ys``.
    """
    results = []
    for name, y in ys.items():
        keys = [*x, *(key for key in y if key not in x)]
        pairs = {key: (x.get(key), y.get(key)) for key in keys}
        both = [(a, b) for a, b in pairs.values() if a is not None and b is not None]
        found = spearman(
            [a for a, _ in both], [b for _, b in both], names=(x_name, name), seed=seed
        )
        left_out = tuple(key for key, (a, b) in pairs.items() if a is None or b is None)
        results.append(replace(found, tests=len(ys), left_out=left_out))
    corrected = iter(holm([one.p for one in results if one.p is not None], len(ys)))
    return tuple(one if one.p is None else replace(one, p_holm=next(corrected)) for one in results)


def _why_undefined(x: Sequence[float], y: Sequence[float]) -> str:
    if len(x) < 3:
        return f"{len(x)} sources have both values; a rank correlation needs at least three"
    if len(set(x)) == 1 or len(set(y)) == 1:
        return "one of the columns is constant, so there is nothing to rank"
    return ""


@lru_cache(maxsize=64)
def _permutation_p(
    x: tuple[float, ...], y: tuple[float, ...], seed: int, resamples: int
) -> tuple[float, int, int]:
    """Return p, the number of extreme permutations, and how many were looked at."""
    fixed = np.asarray(y) - np.mean(y)

    def strength(ranks: np.ndarray, axis: int = -1) -> np.ndarray:
        moved = ranks - ranks.mean(axis=axis, keepdims=True)
        spread = np.sqrt((moved**2).sum(axis=axis) * (fixed**2).sum())
        result: np.ndarray = np.abs((moved * fixed).sum(axis=axis)) / spread
        return result

    exact = len(x) <= EXACT_UP_TO
    found = stats.permutation_test(
        (np.asarray(x),),
        strength,
        permutation_type="pairings",
        vectorized=True,
        n_resamples=np.inf if exact else resamples,
        alternative="greater",
        batch=50_000,
        rng=np.random.default_rng(seed),
    )
    p, looked_at = float(found.pvalue), len(found.null_distribution)
    extreme = round(p * looked_at) if exact else round(p * (looked_at + 1)) - 1
    return p, extreme, looked_at
