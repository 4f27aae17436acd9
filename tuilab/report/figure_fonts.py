"""Finds fonts of this machine for what the usual one has no glyphs of: names in other scripts."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

USUAL = "DejaVu Sans"
"""Ships with matplotlib, so that a figure is the same everywhere."""
_BOXES = "Last Resort"
"""Has a box for every character, and shows none."""


def reach_all(canvas: Canvas) -> str:
    """Give a figure's texts the fonts that they need; return the characters that none here has."""
    from matplotlib.text import Text

    texts = [text for text in canvas.findobj(Text) if isinstance(text, Text)]
    wanted = {char for text in texts for char in text.get_text() if not char.isspace()}
    families, left = fonts_for(frozenset(wanted))
    if len(families) > 1:
        for text in texts:
            text.set_fontfamily(families)
    return "".join(sorted(left))


@cache
def fonts_for(wanted: frozenset[str]) -> tuple[list[str], frozenset[str]]:
    """Return font families, the usual one first, and the characters that are in none of them."""
    from matplotlib.font_manager import findfont, fontManager

    families = [USUAL]
    left = wanted - _characters(findfont(USUAL))
    for font in fontManager.ttflist if left else ():
        if font.name in families or font.name.startswith(_BOXES):
            continue
        if found := left & _characters(font.fname):
            families.append(font.name)
            left -= found
        if not left:
            break
    return families, left


@cache
def _characters(path: str) -> frozenset[str]:
    from matplotlib.font_manager import get_font

    try:
        return frozenset(map(chr, get_font(path).get_charmap()))
    except (OSError, RuntimeError):  # a font that was taken away, or is none
        return frozenset()
