"""Decides which persona keys and markers can be used; plain functions of text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

_RESERVED = {"@": "it separates the epoch in a cell's name", "#": "it separates the seed"}


def why_bad_key(key: str) -> str:
    """Say why a persona key cannot be used; "" when it can.

    Slashes, dots, brackets, spaces and any script are fine: paths use a slug of the key.
    """
    if not key.strip():
        return "is blank"
    if key != key.strip():
        return "begins or ends with a space"
    if key == "*":
        return "means every source in a selector"
    for char, why in _RESERVED.items():
        if char in key:
            return f"contains {char!r}: {why}"
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in key):
        return "contains a control character"
    return ""


def why_bad_marker(text: str) -> str:
    """Say why a string cannot serve as the marker; "" when it can."""
    if text != text.strip():
        return "begins or ends with white space: put that into marker.separator"
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        return "contains a control character"
    return ""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean x?)`` for the closest known word, "" when none is close."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""
