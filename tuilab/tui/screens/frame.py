"""What all screens share: snapshots in, wishes out, one status line, one clear line when tiny."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from textual import events
from textual.geometry import Size
from textual.screen import ModalScreen, Screen

from tuilab.grid.states import BROKEN, State
from tuilab.store.snapshot import Snapshot
from tuilab.tui.compositor import TightCompositor
from tuilab.tui.keys import NEED_BROKEN, NEED_PLAN
from tuilab.tui.present.layout import is_too_small, too_small_text
from tuilab.tui.present.styled_text import Line, command_lines
from tuilab.tui.widgets.key_bar import KeyBar
from tuilab.tui.widgets.lines import Lines
from tuilab.tui.widgets.row_list import RowList

if TYPE_CHECKING:
    from tuilab.tui.app_protocol import AppProtocol


WINDOW = 76
"""Columns of a dialog, as in app.tcss."""


class _OfTheApp(Screen[Any]):
    """What screens and dialogs share."""

    AUTO_FOCUS = ""
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self._compositor = TightCompositor()

    @property
    def tuilab(self) -> AppProtocol:
        """The app, as far as screens know it."""
        return cast("AppProtocol", self.app)

    @property
    def is_there(self) -> bool:
        """Whether it still has its parts: what comes from a thread may find it left."""
        # ``display`` is False from the moment in which a screen is being taken down.
        return self.is_attached and bool(self.display)

    def _screen_resized(self, size: Size) -> None:
        """Lay out for another size: at every start Textual tells the same one three times."""
        if size != self._size:
            super()._screen_resized(size)

    def write(self, part: str, *lines: Line) -> None:
        """Show lines in a part of the screen."""
        self.query_one(f"#{part}", Lines).show(lines)


def keys_without_use(snapshot: Snapshot) -> frozenset[str]:
    """Return the keys that would only say that there is nothing to do."""
    found = {*snapshot.counts, *(job.state for job in snapshot.shared)}
    return frozenset() if found & {*BROKEN, State.STALE} else NEED_BROKEN


class Frame(_OfTheApp):
    """A screen that is told of every snapshot and can say one line at its bottom."""

    def on_mount(self) -> None:
        """Hear of snapshots, beginning with the last one."""
        self.mount(Lines(id="small"))
        self.tuilab.snapshots.subscribe(self, self._hear, immediate=True)
        self.settle()
        if self.tuilab.snapshot is not None:
            self._hear(self.tuilab.snapshot)

    def _hear(self, snapshot: Snapshot) -> None:
        for bar in self.query(KeyBar):
            bar.leave_out(NEED_PLAN if snapshot.imported_from else keys_without_use(snapshot))
        self.on_snapshot(snapshot)

    def settle(self) -> None:
        """Prepare the screen once its widgets are there."""

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Show a new snapshot."""

    def on_screen_resize(self, columns: int, rows: int) -> None:
        """Lay the last snapshot out for a new size."""
        if self.tuilab.snapshot is not None:
            self.on_snapshot(self.tuilab.snapshot)

    def on_resize(self, event: events.Resize) -> None:
        """Show one clear line instead of a torn screen when the terminal is tiny."""
        columns, rows = event.size
        small = is_too_small(columns, rows)
        self.set_class(small, "-small")
        for lines in self.query("#small").results(Lines):
            lines.show([((too_small_text(columns, rows), "warn"),)])
        if not small:
            self.on_screen_resize(columns, rows)

    def say(self, text: str, role: str = "warn", hint: str = "") -> None:
        """Say one line at the bottom."""
        for bar in self.query(KeyBar):
            bar.say(text, role, hint)

    def be_quiet(self) -> None:
        """Show the keys again in place of what was said."""
        for bar in self.query(KeyBar):
            bar.be_quiet()

    @property
    def listed(self) -> RowList:
        """The list of the screen, if it has one."""
        return self.query_one(RowList)

    def action_step(self, rows: int) -> None:
        """Move the list's cursor."""
        self.listed.step(rows)

    def action_edge(self, place: int) -> None:
        """Go to the list's first or last line."""
        self.listed.go(place)

    @property
    def said(self) -> str:
        """What the bottom line says, "" when it shows keys."""
        return next((bar.said for bar in self.query(KeyBar)), "")


class Dialog(_OfTheApp, ModalScreen[Any]):
    """A question over the screen; escape is always no."""

    @property
    def columns(self) -> int:
        """Columns of text within the window."""
        return min(WINDOW, self.app.size.width) - 4

    def command_lines(self, rows: int, *commands: str) -> list[Line]:
        """Write the commands that do the same, whole where there are ``rows`` for them."""
        most = max(1, rows // max(1, len(commands)))
        return [line for one in commands for line in command_lines(one, self.columns, most)]
