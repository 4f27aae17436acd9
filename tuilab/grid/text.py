"""Writes numbers for people, in one way everywhere; programs are given them raw."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

MISSING = "n/a"
"""What stands where there is no number; never 0."""


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


def count_of(number: int, noun: str) -> str:
    """Write a number with its noun: 1 job, 2 jobs."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float | None) -> str:
    """Write seconds as ``12s``, ``03:12`` or ``2h14``; n/a when unknown."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60:02d}:{whole % 60:02d}"
    if whole < 100 * 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def share(value: float | None) -> str:
    """Write a rate of 0..1 as whole percent; n/a when missing."""
    if value is None or not math.isfinite(value):
        return MISSING
    return percent_text(value)


def size(count: float | None) -> str:
    """Write bytes as ``512 B``, ``1.4 MB``, ``15 GB`` (powers of 1000); n/a when unknown."""
    if count is None:
        return MISSING
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 999.5 or unit == "TB":
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return MISSING


def gibibytes(count: float | None) -> str:
    """Write bytes as whole GiB, or with a decimal below ten; n/a when unknown."""
    if count is None:
        return MISSING
    value = count / 2**30
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def decimal(value: float | None, places: int = 2) -> str:
    """Write a signed number without a leading zero: ``.91``, ``-.36``, ``1.00``."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:.{places}f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def clock(at: float | None) -> str:
    """Write a unix time as local HH:MM:SS; blanks when unknown."""
    if at is None:
        return "--:--:--"
    return time.strftime("%H:%M:%S", time.localtime(at))


def ago(seconds: float | None) -> str:
    """Write an age as ``just now`` or ``03:12 ago``."""
    if seconds is None:
        return "never"
    return "just now" if seconds < 2 else f"{duration(seconds)} ago"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean x?)`` for the closest known word, "" when none is close."""
    from difflib import get_close_matches  # slow to load; only mistakes need it

    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""
