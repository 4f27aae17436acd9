"""Writes numbers for people, in one way everywhere; programs are given them raw."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Sequence

_FIRST_COMBINING = "\u0300"
"""Every printable character before it takes one column."""
_Clock = Callable[[float], time.struct_time]
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


def number(value: float | None, digits: int = 0, sign: str = "") -> str:
    """Write a number with so many decimals: ``0.914``; with ``sign="+"`` as ``+0.914``."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{half_up(value, digits):{sign}.{digits}f}"


def signed(value: float | None, digits: int = 3) -> str:
    """``0.016`` -> ``+0.016``, for cosines, correlations and differences."""
    return number(value, digits, "+")


def decimal(value: float | None, digits: int = 2, sign: str = "") -> str:
    """Leave out a leading zero, where columns are few: ``.91``, ``-.36``, ``1.00``."""
    return re.sub(r"^([+-]?)0\.", r"\1.", number(value, digits, sign))


def percent_text(rate: float | None, digits: int = 0) -> str:
    """``0.425`` -> ``43%``."""
    return MISSING if rate is None else f"{number(rate * 100, digits)}%"


def rate_digits(n: int | None) -> int:
    """Return the decimals of a percentage of ``n``: none where one completion is over a point."""
    return 0 if n is not None and n < 100 else 1


def points(change: float | None, digits: int = 1) -> str:
    """``-0.22`` -> ``-22.0 pp``: a difference of two rates in percentage points."""
    return MISSING if change is None else f"{signed(change * 100, digits)} pp"


def whole_percent(percent: float | None) -> str:
    """Write what is 0..100, and 100 at the end only: ``62%``; "" when unknown."""
    return "" if percent is None else f"{int(percent)}%"


def count_of(count: int, one: str, many: str = "") -> str:
    """Write a number with its noun: 1 job, 2 jobs, 2 cells wait (``many``)."""
    return f"{count} {one}" if count == 1 else f"{count} {many or one + 's'}"


def list_of(names: Sequence[str], limit: int = 8) -> str:
    """Name the first ``limit`` of some: ``a, b and 3 more``."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


LIFETIME = 100 * 365 * 86400
"""Seconds that nobody lives to wait."""


def padded(text: str, columns: int, right: bool = False) -> str:
    """Fill a text with spaces up to ``columns`` of a terminal, where some characters take two."""
    room = " " * (columns - columns_of(text))
    return room + text if right else text + room


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if max(text, default="") < _FIRST_COMBINING:
        return len(text)
    from rich.cells import cell_len  # 10 ms to import, and most texts need it not

    return cell_len(text)


def duration(seconds: float | None) -> str:
    """Write seconds in their two largest units: 0.3s, 41s, 3m20s, 2h14m, 3d4h."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if 0.05 <= seconds < 0.95:
        return f"{seconds:.1f}s"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    if whole >= LIFETIME:
        return "over 100 years"
    return f"{whole // 86400}d{whole % 86400 // 3600}h"


def ago(seconds: float | None) -> str:
    """Write an age as ``just now`` or ``3m12s ago``."""
    if seconds is None:
        return "never"
    return "just now" if seconds < 2 else f"{duration(seconds)} ago"


def clock(at: float | None) -> str:
    """Write a unix time as local HH:MM:SS; blanks when unknown."""
    return "--:--:--" if at is None else written_time("%H:%M:%S", at, "--:--:--")


def moment(at: float, now: float) -> str:
    """Write a unix time as local ``06:00``, with its date where that is a day or more away."""
    day = "" if abs(at - now) < 86400 else "%Y-%m-%d "
    return written_time(f"{day}%H:%M", at, "a time beyond the calendar")


def written_time(form: str, at: float, otherwise: str, by: _Clock = time.localtime) -> str:
    """Write a unix time by a clock; ``otherwise`` where no calendar has it."""
    try:
        return time.strftime(form, by(at))
    except (OverflowError, OSError, ValueError):
        return otherwise


def size(count: float | None) -> str:
    """Write bytes as ``512 B``, ``1.4 MB``, ``15 GB`` (powers of 1000)."""
    if count is None:
        return MISSING
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 999.5 or unit == "TB":
            break
        count /= 1000
    return f"{number(count, 0 if count >= 9.95 or unit == 'B' else 1)} {unit}"


def gibibytes(count: float | None) -> str:
    """Write bytes of memory in GiB (2**30) without the unit: ``9.4``, ``61``."""
    return MISSING if count is None else number(count / 2**30, 0 if count >= 9.95 * 2**30 else 1)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean x?)`` for the closest known word, "" when none is close."""
    from difflib import get_close_matches  # slow to load; only mistakes need it

    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""
