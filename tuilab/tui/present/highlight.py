"""Splits a text so that what was searched for can be lit."""

from __future__ import annotations

import re

from tuilab.tui.present.styled_text import Line


def highlight(text: str, needle: str, role: str) -> Line:
    """Split a text so that every occurrence of ``needle`` (any case) has the role ``match``."""
    if not needle:
        return ((text, role),)
    pieces: list[tuple[str, str]] = []
    place = 0
    for match in re.finditer(re.escape(needle), text, re.IGNORECASE):
        pieces += [(text[place : match.start()], role), (match[0], "match")]
        place = match.end()
    return tuple(piece for piece in (*pieces, (text[place:], role)) if piece[0])
