"""A list of lines with a cursor; it scrolls itself and paints only what differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events
from textual.message import Message

from tuilab.tui.present.styled_text import Line, fit_line, width
from tuilab.tui.widgets.lines import Painted


class RowList(Painted):
    """Lines of which one is under the cursor; a key per line keeps the cursor on its line."""

    DEFAULT_CSS = "RowList { height: 1fr; width: 1fr; }"

    class Moved(Message):
        """The cursor stands on another line."""

    class Opened(Message):
        """A line was double-clicked."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.nothing = "nothing here"
        self.is_led = True
        """Whether keys move the cursor; a list that only stands beside another shows none."""
        self._keys: tuple[str, ...] = ()
        self._write: Callable[[int], Line] = ().__getitem__
        """Writes the line at a place; only those that are seen are written."""
        self._here = 0
        self._top = 0

    @property
    def here(self) -> str | None:
        """Key of the line under the cursor."""
        return self._keys[self._here] if self._keys else None

    @property
    def texts(self) -> list[str]:
        """All lines as plain text."""
        return [self._text(place) for place in range(len(self._keys))]

    @property
    def text(self) -> str:
        """The line under the cursor as plain text; "" where there is none."""
        return self._text(self._here) if self._keys else ""

    def _text(self, place: int) -> str:
        return "".join(text for text, _ in self._write(place)).strip()

    @property
    def place(self) -> int:
        """Number of the line under the cursor."""
        return self._here

    def show(self, rows: Sequence[tuple[str, Line]]) -> None:
        """Replace the lines; the cursor stays on its key, or where it was."""
        lines = [line for _, line in rows]
        self.show_many([name for name, _ in rows], lines.__getitem__)

    def show_many(self, keys: Sequence[str], write: Callable[[int], Line]) -> None:
        """The same of lines that are written, by their place, when they come into view."""
        key = self.here
        self._keys, self._write = tuple(keys), write
        if key in self._keys:
            self._here = self._keys.index(key)
        self._here = max(0, min(self._here, len(self._keys) - 1))
        self._settle()

    def step(self, rows: int) -> None:
        """Move the cursor."""
        self.go(self._here + rows)

    def go(self, place: int) -> None:
        """Put the cursor on a line, clipped to the list."""
        self._here = max(0, min(place, len(self._keys) - 1))
        self._settle()
        self.post_message(self.Moved())

    @property
    def page(self) -> int:
        """Lines that are seen at once."""
        return max(1, self.size.height)

    def on_resize(self) -> None:
        """Scroll the cursor back into view."""
        self._settle()

    def _settle(self) -> None:
        self._top = max(min(self._top, self._here), self._here - self.page + 1)
        self._top = max(0, min(self._top, len(self._keys) - self.page))
        self.repaint([self._line(y) for y in range(self.size.height)])

    def _line(self, y: int) -> Line:
        place = self._top + y
        if place >= len(self._keys):
            return ((f"  {self.nothing}", "muted"),) if y == 0 and not self._keys else ()
        line = fit_line(self._write(place), self.size.width - 1)
        if place != self._here or not self.is_led:
            return ((" ", ""), *line)
        rest = " " * max(0, self.size.width - 1 - width(line))
        here = ((text, f"{role or 'text'} here ground") for text, role in (*line, (rest, "")))
        return ((">", "key"), *here)

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor, a double click opens."""
        if self._top + event.y < len(self._keys):
            self.go(self._top + event.y)
            if event.chain > 1:
                self.post_message(self.Opened())

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel moves the cursor."""
        event.stop()
        self.step(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel moves the cursor."""
        event.stop()
        self.step(-3)
