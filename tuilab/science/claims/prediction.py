"""Asks whether the cosine before training ranks sources as their leakage does afterwards."""

from collections.abc import Sequence

from tuilab.science.analysis import Analysis, SourceResult
from tuilab.science.correlation import Correlation, correlate

OUTCOMES = ("peak", "baseline", "rise", "net")
"""What the cosine at epoch 0 is correlated with; all four are always tested and reported."""


def predictions(analysis: Analysis) -> tuple[Correlation, ...]:
    """Spearman of cosine at epoch 0 with peak, baseline, rise and net, over sources, one scale."""
    return correlate(
        {result.source.key: result.cosine.baseline for result in analysis.alike},
        outcomes(analysis.alike),
        x_name="cosine",
    )


def outcomes(results: Sequence[SourceResult]) -> dict[str, dict[str, float | None]]:
    """Return peak, baseline, rise and net of some sources by their keys."""
    return {
        "peak": {result.source.key: result.leakage.peak for result in results},
        "baseline": {result.source.key: result.leakage.baseline for result in results},
        "rise": {result.source.key: result.rise.mean for result in results},
        "net": {result.source.key: result.net.mean for result in results},
    }
