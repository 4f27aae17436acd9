"""Rounds numbers for people, in one way everywhere; programs are given them raw."""

from __future__ import annotations

import math


def half_up(value: float, digits: int = 0) -> float:
    """Round half away from zero, and never to -0.0: 2.5 -> 3, 57.5 -> 58, -0.04 -> 0.

    Python rounds half to even, so that a column of 2.5, 37.5 and 42.5 read 2, 38 and 42. A rate
    times 100 misses its half by binary noise (57.499999999999993), which is rounded off first.
    """
    if not math.isfinite(value):
        return value
    scale = 10.0**digits
    whole = math.floor(round(abs(value) * scale, 6) + 0.5)
    return math.copysign(whole, value) / scale if whole else 0.0


def percent_text(rate: float, digits: int = 0) -> str:
    """``0.425`` -> ``43%``."""
    return f"{half_up(rate * 100, digits):.{digits}f}%"
