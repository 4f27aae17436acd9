"""The help screen: the live keys of the screen below, made from its bindings."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import ModalScreen, Screen

from tuilab.tui import keys
from tuilab.tui.present.key_table import KeyRow, help_lines, key_rows
from tuilab.tui.present.sign_legend import Sign, legend_lines, signs_of
from tuilab.tui.screens.narrowed import Narrowed
from tuilab.tui.widgets.field import Field
from tuilab.tui.widgets.key_bar import KeyBar
from tuilab.tui.widgets.lines import Lines
from tuilab.tui.widgets.row_list import RowList


class HelpScreen(Narrowed):
    """Keys, what they do, and the command line that does the same."""

    CSS_PATH = "help.tcss"
    BINDINGS = keys.HELP

    def __init__(self, below: Screen[object]) -> None:
        super().__init__()
        self._legend: list[Sign] = []
        self._below = name_of(below)
        name = self._below
        self._title = f"{name} screen and of the whole app"
        if isinstance(below, ModalScreen):
            self._title = f"{name} dialog"
        self._table: list[KeyRow] = key_rows(
            active.binding for active in below.active_bindings.values()
        )

    def settle(self) -> None:
        """Choose the signs of the screen below."""
        self._legend = signs_of(self._below, self.tuilab.glyphs)

    def compose(self) -> ComposeResult:
        """Title, keys, key bar."""
        yield Lines(id="help-title")
        yield RowList(id="keys")
        yield Field("relaunch   stale   colour", id="search")
        yield KeyBar(keys.HELP, self.tuilab.glyphs)

    def on_screen_resize(self, columns: int, rows: int) -> None:
        """Lay the table out for the width."""
        self._show()

    def _show(self) -> None:
        columns, glyphs = self.size.width, self.tuilab.glyphs
        words = self.words.lower().split()
        told = f"  /{self.words}" if words else ""
        self.write("help-title", ((f" Keys of the {self._title}{told}", "title"),))
        rows = [row for row in self._table if _has(words, row.keys, row.meaning, row.twin)]
        lines = help_lines(rows, columns - 2, glyphs)
        if signs := [sign for sign in self._legend if _has(words, sign.meaning)]:
            lines += [(), ((" signs and colours", "title"),), *legend_lines(signs, columns - 2)]
        listed = self.listed
        is_first = listed.here is None
        listed.nothing = "no key and no sign has all these words: esc shows all"
        listed.show([(str(n), line) for n, line in enumerate(lines)])
        if is_first or words:
            listed.go(1)  # the first line is a heading

    action_search = Narrowed.action_filter

    def on_words(self) -> None:
        """List the keys and signs that the words leave."""
        self._show()


def name_of(screen: Screen[object]) -> str:
    """Return how a screen is called: ``grid``."""
    return type(screen).__name__.removesuffix("Screen").removesuffix("Dialog").lower()


def _has(words: list[str], *texts: str) -> bool:
    told = " ".join(texts).lower()
    return all(word in told for word in words)
