"""Words for numbers that every layer writes alike."""

from __future__ import annotations


def count_of(number: int, noun: str) -> str:
    """Write a number with its noun: 1 job, 2 jobs."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
