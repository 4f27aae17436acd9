"""The three lines that greet somebody new; where it is noted that they were seen."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

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


def _note() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "tuilab" / "greeted"


def is_new_here() -> bool:
    """Whether the lines were never seen under this account."""
    try:
        return not _note().exists()
    except OSError:
        return False


def seen() -> None:
    """Remember that they were seen; a home that cannot be written is no trouble."""
    with contextlib.suppress(OSError):
        _note().parent.mkdir(parents=True, exist_ok=True)
        _note().touch()
