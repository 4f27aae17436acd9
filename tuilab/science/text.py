"""How findings are written: shares, intervals, p values, lists of names."""

from collections.abc import Sequence

from tuilab.grid.text import MISSING, number, percent_text
from tuilab.science.intervals import Interval


def share(fraction: float | None, digits: int = 1) -> str:
    """``0.615`` -> ``61.5%``; undefined stays undefined."""
    return "undefined" if fraction is None else percent_text(fraction, digits)


def bracket(interval: Interval | None, digits: int = 1) -> str:
    """A rate's interval in percent: ``[69.5, 76.6]``; empty without one."""
    if interval is None:
        return ""
    return f"[{number(interval.low * 100, digits)}, {number(interval.high * 100, digits)}]"


def p_value(p: float | None) -> str:
    """``p = 0.139`` or ``p < 0.001``."""
    if p is None:
        return f"p {MISSING}"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def names(labels: Sequence[str]) -> str:
    """``A, B and C``; ``none`` for nobody."""
    if not labels:
        return "none"
    if len(labels) == 1:
        return labels[0]
    return f"{', '.join(labels[:-1])} and {labels[-1]}"


def full_sentence(text: str) -> str:
    """``no source rises`` -> ``No source rises.``"""
    return f"{text[:1].upper()}{text[1:]}."
