"""The help screen: the live keys of the screen below, made from its bindings."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import ModalScreen, Screen

from tuilab.tui import keys
from tuilab.tui.present.key_table import KeyRow, help_lines, key_rows
from tuilab.tui.screens.frame import Frame
from tuilab.tui.widgets.key_bar import KeyBar
from tuilab.tui.widgets.lines import Lines
from tuilab.tui.widgets.row_list import RowList


class HelpScreen(Frame):
    """Keys, what they do, and the command line that does the same."""

    CSS_PATH = "help.tcss"
    BINDINGS = keys.HELP

    def __init__(self, below: Screen[object]) -> None:
        super().__init__()
        name = type(below).__name__.removesuffix("Screen").removesuffix("Dialog").lower()
        self._title = f"{name} screen and of the whole app"
        if isinstance(below, ModalScreen):
            self._title = f"{name} dialog"
        self._table: list[KeyRow] = key_rows(
            active.binding for active in below.active_bindings.values()
        )

    def compose(self) -> ComposeResult:
        """Title, keys, key bar."""
        yield Lines(id="help-title")
        yield RowList(id="keys")
        yield KeyBar(keys.HELP, self.tuilab.glyphs)

    def on_screen_resize(self, columns: int, rows: int) -> None:
        """Lay the table out for the width."""
        title = f" Keys of the {self._title}"
        self.write("help-title", ((title, "title"),))
        lines = help_lines(self._table, columns - 2, self.tuilab.glyphs)
        listed = self.listed
        is_first = listed.here is None
        listed.show([(str(n), line) for n, line in enumerate(lines)])
        if is_first:
            listed.go(1)  # the first line is a heading
