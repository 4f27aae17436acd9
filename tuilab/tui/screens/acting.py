"""The verbs that screens share: relaunch, relaunch all that failed, stop."""

from __future__ import annotations

from tuilab.grid.cells import Cell
from tuilab.tui.screens.frame import Frame


class Acting(Frame):
    """A screen on which cells can be relaunched and stopped."""

    def chosen(self) -> list[Cell]:
        """The cells that a verb is about."""
        return []
