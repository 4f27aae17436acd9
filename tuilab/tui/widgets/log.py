"""Shows the tail of a log: lines are cleaned only when they are seen."""

from __future__ import annotations

import re
from functools import lru_cache

from textual import events

from tuilab.tui.log_tail import Tail, readable
from tuilab.tui.present.styled_text import Line, fit_line, highlight, wrap
from tuilab.tui.widgets.lines import Painted

_BAD = re.compile(r"\b(ERROR|CRITICAL|Traceback|Error:|Exception)\b|Error\b.*:")
_WARN = re.compile(r"\bWARN(?:ING)?\b|Warning:")


_readable = lru_cache(maxsize=4096)(readable)


def role_of(text: str) -> str:
    """Colour errors and warnings."""
    if _BAD.search(text):
        return "failed"
    return "warn" if _WARN.search(text) else "text"


class LogView(Painted):
    """Follows the end of a log, or shows another part of it; scrolls, wraps and finds."""

    DEFAULT_CSS = "LogView { height: 1fr; width: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.tail = Tail()
        self.is_following = True
        self.is_wrapping = False
        self.needle = ""
        self._newest: Tail | None = None
        """The end of the log while another part of it is shown."""
        self._nothing = "no log yet"
        self._top = 0
        self._rows: list[tuple[int, str]] | None = None
        """(line number, text) of every wrapped row; None while not wrapping."""

    @property
    def nothing(self) -> str:
        """What stands there when there is no file."""
        return self._nothing

    @nothing.setter
    def nothing(self, words: str) -> None:
        if words != self._nothing:
            self._nothing = words
            self._settle()

    def show(self, tail: Tail) -> None:
        """Take a new reading of the end; while following, it stays in view."""
        moved = tail.path != self.tail.path
        if self._newest is not None and not moved:
            self._newest = tail
            return
        self.tail, self._newest = tail, None
        self._rows = None
        if moved:
            self.is_following = True
        self._settle()

    def show_part(self, part: Tail, place: int) -> None:
        """Show another part of the log, from the line that begins at ``place``, in bytes."""
        self._newest = self._newest or self.tail
        self.tail, self._rows, self.is_following = part, None, False
        number = next((n for n in range(len(part.lines)) if part.begins(n) >= place), 0)
        rows = self._wrapped() if self.is_wrapping else ()
        self._top = next((row for row, (of, _) in enumerate(rows) if of == number), number)
        self._settle()

    def _to_newest(self) -> None:
        if self._newest is not None:
            self.tail, self._newest, self._rows = self._newest, None, None

    def count(self) -> int:
        """Rows there are to scroll through."""
        return len(self._wrapped()) if self.is_wrapping else len(self.tail.lines)

    @property
    def line_here(self) -> str:
        """The line that a person looks at: the one found last, the newest while following."""
        lines = [_readable(raw) for raw in self.tail.lines]
        if not lines:
            return ""
        if self.is_following:
            return lines[-1]
        return lines[self._wrapped()[self._top][0] if self.is_wrapping else self._top]

    def scroll_rows(self, rows: int) -> None:
        """Scroll by rows; reaching the end follows again, leaving it stops following."""
        self._top = max(0, min(self._top + rows, self._last_top()))
        self.is_following = self._newest is None and self._top >= self._last_top()
        self._settle()

    def to_end(self, *, start: bool = False) -> None:
        """Go to the first row that is here, or follow the end of the log."""
        if not start:
            self._to_newest()
        self._top = 0 if start else self._last_top()
        self.is_following = not start or self._last_top() == 0
        self._settle()

    def toggle_follow(self) -> bool:
        """Switch following; returns whether it follows now."""
        self._to_newest()
        self.is_following = not self.is_following
        self._settle()
        return self.is_following

    def toggle_wrap(self) -> bool:
        """Switch wrapping; returns whether it wraps now."""
        self.is_wrapping = not self.is_wrapping
        self._rows = None
        self._settle()
        return self.is_wrapping

    def find(self, needle: str, step: int = 1) -> bool:
        """Go to the next (1) or previous (-1) row with ``needle``; False when there is none here.

        It goes on around the end where the whole log is here.
        """
        self.needle = needle
        total = self.count()
        if not needle or not total:
            self._settle()
            return False
        left = total - self._top if step > 0 else self._top + 1
        for distance in range(1, left if self.tail.is_cut else total + 1):
            place = (self._top + step * distance) % total
            if needle.casefold() in self._text(place).casefold():
                self._top = min(place, self._last_top())
                self.is_following = False
                self._settle()
                return True
        return False

    def beyond(self, step: int) -> int:
        """Return from where on a search goes on in what is not here, in bytes."""
        return self.tail.begins(len(self.tail.lines) if step > 0 else 0)

    def on_resize(self, event: events.Resize) -> None:
        """Wrap again for the new width."""
        self._rows = None
        self._settle()

    def _last_top(self) -> int:
        return max(0, self.count() - self.size.height)

    def _settle(self) -> None:
        """Compose the visible rows."""
        last = self._last_top()
        self._top = last if self.is_following else max(0, min(self._top, last))
        self.repaint([self._line(y) for y in range(self.size.height)])

    def _wrapped(self) -> list[tuple[int, str]]:
        if self._rows is None:
            columns = max(10, self.size.width - 2)
            self._rows = [
                (number, part)
                for number, raw in enumerate(self.tail.lines)
                for part in wrap(_readable(raw), columns)
            ]
        return self._rows

    def _text(self, row: int) -> str:
        return self._wrapped()[row][1] if self.is_wrapping else _readable(self.tail.lines[row])

    def _line(self, y: int) -> Line:
        row = self._top + y
        if row >= self.count():
            return ((f" {self.nothing}", "muted"),) if y == 0 and not self.tail.lines else ()
        text = self._text(row)
        return fit_line(((" ", ""), *highlight(text, self.needle, role_of(text))), self.size.width)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel scrolls."""
        event.stop()
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel scrolls."""
        event.stop()
        self.scroll_rows(-3)
