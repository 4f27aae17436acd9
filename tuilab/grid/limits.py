"""How long a run may go on, and what it costs: a time of day, GPU hours, a price; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from tuilab.grid.text import duration, moment, number

LIMIT = "the limit of the run"
"""Who paused, where nothing more would end in time: the next run continues."""
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True, slots=True)
class Limit:
    """What a run may take; nothing starts that would not end within it."""

    until: float | None = None
    """Unix time."""
    gpu_seconds: float | None = None
    """Seconds of jobs, each on one GPU (or one worker, where there is no GPU)."""

    def __bool__(self) -> bool:
        return self.until is not None or self.gpu_seconds is not None

    def said(self, now: float) -> str:
        """Return both, such as ``until 06:00, 12 GPU hours``; a time that is days away is dated."""
        parts = []
        if self.until is not None:
            parts.append(f"until {moment(self.until, now)}")
        if self.gpu_seconds is not None:
            parts.append(f"{gpu_hours(self.gpu_seconds)}")
        return ", ".join(parts)


NO_LIMIT = Limit()


class LimitError(ValueError):
    """A limit that cannot be read; its text says what can be."""


def parse_until(text: str, now: float) -> float:
    """Return the unix time meant by 06:00, 8h, 1h30m or a date and time, by the local clock.

    A time of day is the next one after ``now``. Raises LimitError.
    """
    found = moment_meant(text, now, ahead=1)
    if found is None:
        raise LimitError(
            f"{text!r} is not a time to come: write 06:00, 8h, 1h30m or '2026-03-01 06:00'"
        )
    if found <= now:
        raise LimitError(f"{text} is past: name a time to come, such as 06:00 or 8h")
    return found


def moment_meant(text: str, now: float, ahead: int) -> float | None:
    """Return the unix time meant by a span, a time of day or a date; None where it is none.

    By the local clock; a span and a time of day are after ``now`` (``ahead`` 1) or before it (-1).
    """
    word, today = text.strip(), datetime.fromtimestamp(now)
    try:
        if re.fullmatch(r"(\d+[dhms])+", word):
            spans = re.findall(r"(\d+)([dhms])", word)
            return now + ahead * sum(int(count) * _UNITS[unit] for count, unit in spans)
        if re.fullmatch(r"\d{1,2}:\d\d(:\d\d)?", word):
            hour, minute, *second = map(int, word.split(":"))
            at = today.replace(hour=hour, minute=minute, second=sum(second), microsecond=0)
            is_there = (at > today) is (ahead > 0)
            return (at if is_there else at + timedelta(days=ahead)).timestamp()
        return datetime.fromisoformat(word).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def gpu_hours(seconds: float) -> str:
    """Write seconds of jobs as ``2.5 GPU hours``."""
    return f"{number(seconds / 3600, 2 if seconds < 36000 else 1)} GPU hours"


def left_words(jobs: int, seconds: float) -> str:
    """Say what a limit leaves undone: ``12 jobs are left, about 3h20m``."""
    return f"{jobs} {'job is' if jobs == 1 else 'jobs are'} left, about {duration(seconds)}"


@dataclass(frozen=True, slots=True)
class Price:
    """What a GPU costs."""

    gpu_hour: float
    currency: str = "$"

    def of(self, gpu_seconds: float) -> str:
        """Write the cost of so many GPU seconds: ``$12.40``, ``EUR 12.40``."""
        amount = number(self.gpu_hour * gpu_seconds / 3600, 2)
        return f"{self.currency}{' ' * self.currency[-1:].isalpha()}{amount}"
