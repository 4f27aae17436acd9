"""Resamples whole questions, because ten answers to one question are not independent."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy import stats

from tuilab.science.intervals import Interval

COMPLETION_COLUMNS: Final = ("source", "epoch", "seed", "persona", "question", "sample", "hit")
"""Columns of a completions frame: one row is one sampled answer, ``hit`` says marker or not."""

CellKey = tuple[str, int, int, str]
"""source, epoch, seed, persona."""


@dataclass(frozen=True, slots=True)
class ClusterBootstrap:
    """A rate with an interval that respects questions."""

    rate: float
    """Share of completions that hit."""
    hits: int
    """Completions that hit."""
    n: int
    """Completions."""
    questions: int
    """Clusters resampled."""
    interval: Interval | None
    """None when it would be a lie: one question only, or every question has the same rate."""
    design_effect: float | None
    """Bootstrap variance over binomial variance (Kish 1965): above 1, answers are alike."""


def cluster_bootstrap(
    hits: Iterable[int], totals: Iterable[int], *, seed: int = 0, resamples: int = 2000
) -> ClusterBootstrap:
    """Percentile interval of a rate by resampling questions with replacement.

    Cluster bootstrap: Field & Welsh 2007, J. R. Stat. Soc. B 69:369-390 (their "cluster
    bootstrap": clusters are drawn whole, answers inside a drawn cluster are not redrawn).

    Args:
        hits: per question, how many completions hit; order does not matter.
        totals: per question, how many completions there are.
        seed: same seed, same interval.
        resamples: draws.

    Raises:
        ValueError: when there is no completion.
    """
    pairs = sorted(zip(hits, totals, strict=True))
    counts = np.array([pair for pair in pairs if pair[1] > 0], dtype=float).reshape(-1, 2)
    total = int(counts[:, 1].sum())
    if not total:
        raise ValueError("There are no completions to resample; evaluate the cell first.")
    hit = int(counts[:, 0].sum())
    rate = hit / total
    rates = counts[:, 0] / counts[:, 1]
    if len(counts) < 2 or np.ptp(rates) == 0:
        return ClusterBootstrap(rate, hit, total, len(counts), None, None)
    drawn = stats.bootstrap(
        (counts[:, 0], counts[:, 1]),
        _ratio,
        paired=True,
        vectorized=True,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    limits = drawn.confidence_interval
    low, high = min(float(limits.low), rate), max(float(limits.high), rate)
    binomial = rate * (1 - rate) / total
    return ClusterBootstrap(
        rate,
        hit,
        total,
        len(counts),
        Interval(low, high, "question bootstrap"),
        float(drawn.standard_error) ** 2 / binomial,
    )


def bootstrap_cells(
    completions: pd.DataFrame, *, seed: int = 0, resamples: int = 2000
) -> dict[CellKey, ClusterBootstrap]:
    """Bootstrap every (source, epoch, seed, persona) of a completions frame.

    The stream of a cell depends on ``seed`` and the cell's name only: neither row order nor the
    presence of other cells changes a result.

    Raises:
        ValueError: when a column is missing.
    """
    absent = [name for name in COMPLETION_COLUMNS if name not in completions]
    if absent:
        raise ValueError(f"The completions have no column {absent[0]!r}; read them again.")
    cells = {}
    for key, rows in completions.groupby(["source", "epoch", "seed", "persona"]):
        source, epoch, run, persona = (str(part) for part in key)
        questions = rows.groupby("question")["hit"].agg(["sum", "count"])
        name = f"{source}@{epoch}#{run}/{persona}".encode()
        cells[source, int(epoch), int(run), persona] = cluster_bootstrap(
            questions["sum"].astype(int),
            questions["count"].astype(int),
            seed=seed ^ zlib.crc32(name),
            resamples=resamples,
        )
    return cells


def _ratio(hits: np.ndarray, totals: np.ndarray, axis: int = -1) -> np.ndarray:
    result: np.ndarray = hits.sum(axis=axis) / totals.sum(axis=axis)
    return result
