"""Asks whether the cosine before training ranks sources as their leakage does afterwards."""

from tuilab.science.analysis import Analysis
from tuilab.science.correlation import Correlation, correlate

OUTCOMES = ("peak", "baseline", "rise", "net")
"""What the cosine at epoch 0 is correlated with; all four are always tested and reported."""


def predictions(analysis: Analysis) -> tuple[Correlation, ...]:
    """Spearman of cosine at epoch 0 with peak, baseline, rise and net, over sources, one scale."""
    x = {result.source.key: result.cosine.baseline for result in analysis.sources}
    ys = {
        "peak": {result.source.key: result.leakage.peak for result in analysis.sources},
        "baseline": {result.source.key: result.leakage.baseline for result in analysis.sources},
        "rise": {result.source.key: result.rise.mean for result in analysis.sources},
        "net": {result.source.key: result.net.mean for result in analysis.sources},
    }
    return correlate(x, ys, x_name="cosine")
