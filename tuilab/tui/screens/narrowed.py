"""A screen whose list is narrowed by the words that a person types into its field."""

from __future__ import annotations

from textual import on

from tuilab.tui.screens.frame import Frame
from tuilab.tui.widgets.field import Field


class Narrowed(Frame):
    """What history, experiments and help share: esc takes the words back before it leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.words = ""
        """What was typed, with single blanks."""

    def on_words(self) -> None:
        """Show what the words leave."""

    def action_filter(self) -> None:
        """Type words."""
        self.query_one(Field).open()

    @on(Field.Changed)
    def _take_words(self, event: Field.Changed) -> None:
        self.words = " ".join(event.value.split())
        self.on_words()

    @on(Field.Submitted)
    def _close_field(self) -> None:
        self.query_one(Field).close()

    def action_back(self) -> None:
        """Take the words back, then leave."""
        if self.words or self.query_one(Field).has_focus:
            self.query_one(Field).value = ""
            self._close_field()
        elif len(self.app.screen_stack) > 1:
            self.app.pop_screen()
