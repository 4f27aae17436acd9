"""The three lines that greet somebody new; where it is noted that they were seen."""

from __future__ import annotations

from tuilab.store.user_files import remember, state_dir
from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.styled_text import Line


def lines(glyphs: Glyphs) -> tuple[Line, ...]:
    """Say what one needs on the first day."""
    enter = "enter"
    move = "arrows" if glyphs.is_ascii else "hjkl or arrows"
    return (
        (
            (" Welcome. ", "brand"),
            (f"{move} move, ", "text"),
            (enter, "key"),
            (" opens a cell, ", "text"),
            ("esc", "key"),
            (" goes back.", "text"),
        ),
        (
            (" r", "key"),
            (" relaunches a cell, ", "text"),
            ("R", "key"),
            (" all failed ones; both show first what will run.", "text"),
        ),
        (
            (" ?", "key"),
            (" lists all keys, ", "text"),
            (":", "key"),
            (" finds any command, ", "text"),
            ("q", "key"),
            (" leaves; work continues.", "text"),
        ),
    )


_NOTE = "greeted"


def is_new_here() -> bool:
    """Whether the lines were never seen under this account."""
    try:
        return not (state_dir() / _NOTE).exists()
    except OSError:
        return False


def seen() -> None:
    """Remember that they were seen."""
    remember(_NOTE, "")
