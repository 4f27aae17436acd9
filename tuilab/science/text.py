"""How numbers are written, in one place: percent, points, p values, lists of names."""

from collections.abc import Sequence
from typing import Final

from tuilab.grid.text import half_up, percent_text
from tuilab.science.intervals import Interval

NOT_AVAILABLE: Final = "n/a"
"""What stands where a value is missing; never 0."""


def percent(rate: float | None) -> str:
    """``0.732`` -> ``73.2%``."""
    return NOT_AVAILABLE if rate is None else percent_text(rate, 1)


def points(change: float | None) -> str:
    """``-0.22`` -> ``-22.0 pp``: a difference of two rates in percentage points."""
    return NOT_AVAILABLE if change is None else f"{half_up(change * 100, 1):+.1f} pp"


def signed(value: float | None, digits: int = 3) -> str:
    """``0.016`` -> ``+0.016``, for cosines and correlations."""
    return NOT_AVAILABLE if value is None else f"{half_up(value, digits):+.{digits}f}"


def share(fraction: float | None) -> str:
    """``0.615`` -> ``61.5%``; undefined stays undefined."""
    return "undefined" if fraction is None else percent_text(fraction, 1)


def bracket(interval: Interval | None) -> str:
    """A rate's interval in percent: ``[69.5, 76.6]``; empty without one."""
    if interval is None:
        return ""
    low, high = (half_up(limit * 100, 1) for limit in (interval.low, interval.high))
    return f"[{low:.1f}, {high:.1f}]"


def p_value(p: float | None) -> str:
    """``p = 0.139`` or ``p < 0.001``."""
    if p is None:
        return "p " + NOT_AVAILABLE
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def names(labels: Sequence[str]) -> str:
    """``A, B and C``; ``none`` for nobody."""
    if not labels:
        return "none"
    if len(labels) == 1:
        return labels[0]
    return f"{', '.join(labels[:-1])} and {labels[-1]}"


def count(number: int, noun: str) -> str:
    """``1 checkpoint``, ``2 checkpoints``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
