"""The one place that decides what each figure draws; renderers draw what they are given."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Final

from tuilab.science.analysis import Analysis
from tuilab.science.figures.heatmap import heatmap
from tuilab.science.figures.model import Figure
from tuilab.science.figures.over_epochs import cosine, grouped, leakage, leakage_over_cosine
from tuilab.science.figures.scatter import baseline_against_peak, cosine_against_peak

FIGURES: Final[Mapping[str, Callable[[Analysis], Figure]]] = {
    "leakage": leakage,
    "leakage-cosine": leakage_over_cosine,
    "cosine": cosine,
    "cosine-peak": cosine_against_peak,
    "grouped": grouped,
    "baseline-peak": baseline_against_peak,
    "heatmap": heatmap,
}
"""Kind -> what prepares it."""

KINDS: Final = tuple(FIGURES)
"""Every kind of figure, in the order of a report."""


def figure(kind: str, analysis: Analysis) -> Figure:
    """Prepare one figure; an experiment without values gives empty panels and says so.

    Raises:
        ValueError: for an unknown kind, naming the nearest.
    """
    if kind not in FIGURES:
        close = get_close_matches(kind, KINDS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"kinds are {', '.join(KINDS)}"
        raise ValueError(f"There is no figure {kind!r}; {hint}")
    return FIGURES[kind](analysis)
