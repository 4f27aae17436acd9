"""Which figures there are, by the words that ``tuilab plot`` takes; screens name them undrawn."""

from collections.abc import Iterable
from typing import Final

from tuilab.grid.lines import is_named

KINDS: Final = (
    "leakage",
    "cosine",
    "leakage-cosine",
    "cosine-peak",
    "grouped",
    "baseline-peak",
    "heatmap",
    "difference",
)
"""Every kind of figure, in the order of a report and of the tabs of the plots."""


def kinds_of(sources: Iterable[str]) -> tuple[str, ...]:
    """Return the kinds that say something of these lines: differences need variants."""
    has_variants = any(map(is_named, sources))
    return tuple(kind for kind in KINDS if has_variants or kind != "difference")
