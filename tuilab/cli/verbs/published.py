"""``tuilab published``: the card's own numbers as a read-only experiment."""

from __future__ import annotations

from tuilab.cli.resolve import published_dir
from tuilab.cli.screen import show
from tuilab.cli.verbs.arguments import Ascii, Theme


def published(ascii_glyphs: Ascii = False, theme: Theme = None) -> int:
    """Open the published card's own results, read-only. `tuilab table published` prints them.

    \b
    tuilab published
    tuilab claims published eps109
    """
    return show(published_dir(), read_only=True, ascii_glyphs=ascii_glyphs, theme=theme)
