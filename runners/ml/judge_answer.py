"""Reads the score in what a judge answered; pure. What could be meant otherwise is no score."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_NUMBER = r"(?<![\w.,-])([-+]?\d+(?:\.\d+)?)"
# Not a part of a word, a decimal comma, a range, a fraction of another whole, "score 1: 85".
_NO_MORE = r"(?!\w|[.,]\d|\s*%|\s*(?:[-\u2013\u2014~/:=]|(?:to|or|and)\b)\s*[-+]?\d)"
_NAMED = re.compile(
    rf"(?<![a-z])(?:score|rating)\b\W{{0,20}}?(?:\b(?:is|of)\b)?\W{{0,20}}?{_NUMBER}{_NO_MORE}",
    re.IGNORECASE,
)
_LINE = re.compile(rf"^[^\w\n]*?{_NUMBER}{_NO_MORE}\W*$", re.MULTILINE)
_FIRST_OR_LAST = re.compile(
    rf"\A\W*?{_NUMBER}{_NO_MORE}(?=\s*[^\w\s]|\s*\n|\s*\Z)|{_NUMBER}{_NO_MORE}\W*\Z"
)
_ANY = re.compile(r"\d+(?:\.\d+)?")
_MARKUP = re.compile("[*_`\"'\u201c\u201d]")
_THOUGHT = "think>"


def score_of(text: str, scale: Sequence[float]) -> float | None:
    """Read the one score that an answer gives on a scale; None where it gives none, or several.

    A number after ``score`` or ``rating``, or alone on a line; else the only number there is, where
    it begins or ends the answer. What merely repeats the scale (``85/100``, ``0-100``, ``85%`` of a
    hundred) does not count, and a number of another scale (``8/10``) is none.
    """
    plain = _without_scale(_MARKUP.sub(" ", _said(text)), *scale)
    found = {float(number) for number in _numbers(plain)}
    value = found.pop() if len(found) == 1 else None
    return value if value is not None and scale[0] <= value <= scale[1] else None


def _said(text: str) -> str:
    """Leave out what a reasoning model thinks first; all of it where it was cut while thinking."""
    said = text.rpartition(f"</{_THOUGHT}")[2]
    return "" if f"<{_THOUGHT}" in said else said


def _without_scale(text: str, low: float, high: float) -> str:
    ends = [re.escape(f"{end:g}") + r"(?:\.0+)?" for end in (low, high)]
    whole = rf"(?<![\w.]){ends[0]}\s*(?:-|\u2013|to\b|and\b)\s*{ends[1]}(?!\w|\.\d)"
    of_it = rf"(?:(?<=\d)\s*/|\bout\s+of\b|(?<=\d)\s+of\b)\s*{ends[1]}(?!\w|\.\d)"
    text = re.sub(rf"{whole}|{of_it}", " ", text, flags=re.IGNORECASE)
    return re.sub(r"(?<=\d)\s*%", " ", text) if (low, high) == (0, 100) else text


def _numbers(text: str) -> Iterator[str]:
    clear = [found[1] for one in (_NAMED, _LINE) for found in one.finditer(text)]
    yield from clear
    if not clear and len(_ANY.findall(text)) == 1 and (found := _FIRST_OR_LAST.search(text)):
        yield found[1] or found[2]
