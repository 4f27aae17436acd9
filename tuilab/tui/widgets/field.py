"""A line to type into, in place of the key bar; hidden until it is opened."""

from __future__ import annotations

from textual.widgets import Input

from tuilab.tui.widgets.key_bar import KeyBar


class Field(Input):
    """A filter or a search."""

    def __init__(self, placeholder: str, *, id: str) -> None:
        super().__init__(placeholder=placeholder, id=id, select_on_focus=False)
        self.cursor_blink = False
        self.display = False

    def open(self) -> None:
        """Let a person type."""
        self._swap(is_open=True)
        self.focus()

    def close(self) -> None:
        """Show the keys again; what was typed stays."""
        self._swap(is_open=False)
        self.screen.set_focus(None)

    def _swap(self, *, is_open: bool) -> None:
        self.display = is_open
        self.screen.query_one(KeyBar).display = not is_open
