"""What happened: the journal in people's words, as it grows."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult

from tuilab.contract.foreign import clean_line
from tuilab.grid.history import Event, events_of
from tuilab.grid.text import clock
from tuilab.store.journal import EVENTS
from tuilab.store.snapshot import Snapshot
from tuilab.tui import keys
from tuilab.tui.present.cli_equivalent import command
from tuilab.tui.present.header import header
from tuilab.tui.present.history_text import cell_of, having, history_rows
from tuilab.tui.present.styled_text import rule, wrap
from tuilab.tui.screens.cell import CellScreen
from tuilab.tui.screens.narrowed import Narrowed
from tuilab.tui.widgets.field import Field
from tuilab.tui.widgets.key_bar import KeyBar
from tuilab.tui.widgets.lines import Lines
from tuilab.tui.widgets.row_list import RowList


class HistoryScreen(Narrowed):
    """Lines that say what happened, oldest first; the cursor stays at the end while it is there."""

    CSS_PATH = "history.tcss"
    BINDINGS = keys.HISTORY

    def __init__(self) -> None:
        super().__init__()
        self._lines: tuple[object, ...] = ()
        """The journal lines that were told last."""
        self._events: list[Event] = []
        self._seen: list[Event] = []
        """Those that the filter leaves."""

    def compose(self) -> ComposeResult:
        """Header, list, the whole sentence under the cursor, keys."""
        yield Lines(id="header")
        yield Lines(id="title")
        yield RowList(id="events")
        yield Lines(id="lower-rule")
        yield Lines(id="whole")
        yield Field("failed   villain@4   killed", id="filter")
        yield KeyBar(keys.HISTORY, self.tuilab.glyphs)

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Tell what is new; without new lines the list stays as it is."""
        if not self._lines or snapshot.events[-1:] != self._lines[-1:]:
            self._lines = snapshot.events
            self._events = list(events_of(snapshot.events))
            self._list(snapshot)
        self._show_frame(snapshot)

    def _list(self, snapshot: Snapshot) -> None:
        listed = self.listed
        is_at_end = listed.place >= len(self._seen) - 1
        self._seen = having(self._events, self.words)
        listed.nothing = self._why_nothing(snapshot)
        listed.show(history_rows(self._seen))
        if is_at_end:
            listed.go(len(self._seen) - 1)

    def _show_frame(self, snapshot: Snapshot) -> None:
        """Write what stands around the list."""
        columns, glyphs = self.size.width, self.tuilab.glyphs
        self.write("header", header(snapshot, columns, glyphs))
        title = f"history  /{self.words}" if self.words else "history"
        if len(self._lines) == EVENTS:
            title += f"  the newest {EVENTS} lines"
        twin = "" if snapshot.imported_from else f"$ {command('history', snapshot.root)}"
        self.write("title", rule(title, twin, columns, glyphs.stroke))
        self._show_whole()

    def _why_nothing(self, snapshot: Snapshot) -> str:
        if snapshot.imported_from:
            return "these are results only: nothing has run here"
        return "no line has all these words" if self._events else "nothing has happened yet"

    @on(RowList.Moved)
    def _show_whole(self) -> None:
        """Write the sentence under the cursor, which the list may have cut."""
        columns, event = self.size.width, self._here
        place = f"{self.listed.place + 1} of {len(self._seen)}" if event else ""
        rows = wrap(clean_line(event.text, 600), columns - 2, limit=2) if event else []
        drawn = rule("", place, columns, self.tuilab.glyphs.stroke)
        self.write("lower-rule", drawn)
        self.write("whole", *(((f" {row}", event.role),) for row in rows if event is not None))

    @property
    def _here(self) -> Event | None:
        place = self.listed.place
        return self._seen[place] if place < len(self._seen) else None

    @on(RowList.Opened)
    def action_open(self) -> None:
        """Open the cell that the line under the cursor is about."""
        snapshot, event = self.tuilab.snapshot, self._here
        cell = None if snapshot is None or event is None else cell_of(event, snapshot)
        if cell is None:
            self.say("this line is not about a cell")
        else:
            self.app.push_screen(CellScreen(cell))

    def action_copy(self) -> None:
        """Copy the sentence under the cursor."""
        if (event := self._here) is None:
            self.say("nothing to copy here")
        else:
            self.tuilab.copy(f"{clock(event.at)} {event.text}")

    def on_words(self) -> None:
        """List what the words leave."""
        if self.tuilab.snapshot is not None:
            self._list(self.tuilab.snapshot)
            self._show_frame(self.tuilab.snapshot)
