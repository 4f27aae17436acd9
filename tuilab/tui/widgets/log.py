"""Shows the tail of a log: lines are cleaned only when they are seen."""

from __future__ import annotations

import re
from functools import lru_cache

from textual import events

from tuilab.contract.foreign import clean_line
from tuilab.tui.log_tail import Tail
from tuilab.tui.present.styled_text import Line, fit_line, highlight, wrap
from tuilab.tui.widgets.lines import Painted

LINE_LIMIT = 4000
"""Characters of one line that are ever looked at."""
_BAD = re.compile(r"\b(ERROR|CRITICAL|Traceback|Error:|Exception)\b|Error\b.*:")
_WARN = re.compile(r"\bWARN(?:ING)?\b|Warning:")


@lru_cache(maxsize=4096)
def readable(raw: bytes) -> str:
    """Decode and clean one raw line; at most ``LINE_LIMIT`` characters of its end or start."""
    clipped = raw if len(raw) <= 4 * LINE_LIMIT else raw[: 4 * LINE_LIMIT]
    if b"\r" in raw.rstrip(b"\r"):
        clipped = raw.rstrip(b"\r").rsplit(b"\r", 1)[-1][: 4 * LINE_LIMIT]
    return clean_line(clipped.decode("utf-8", errors="replace"), LINE_LIMIT)


def role_of(text: str) -> str:
    """Colour errors and warnings."""
    if _BAD.search(text):
        return "failed"
    return "warn" if _WARN.search(text) else "text"


class LogView(Painted):
    """Follows the end of a log, scrolls, wraps and finds."""

    DEFAULT_CSS = "LogView { height: 1fr; width: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.tail = Tail()
        self.is_following = True
        self.is_wrapping = False
        self.needle = ""
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
        """Take a new reading; while following, the end stays in view."""
        moved = tail.path != self.tail.path
        self.tail = tail
        self._rows = None
        if moved:
            self.is_following = True
        self._settle()

    def count(self) -> int:
        """Rows there are to scroll through."""
        return len(self._wrapped()) if self.is_wrapping else len(self.tail.lines)

    @property
    def line_here(self) -> str:
        """The line that a person looks at: the one found last, the newest while following."""
        lines = [readable(raw) for raw in self.tail.lines]
        if not lines:
            return ""
        if self.is_following:
            return lines[-1]
        return lines[self._wrapped()[self._top][0] if self.is_wrapping else self._top]

    def scroll_rows(self, rows: int) -> None:
        """Scroll by rows; reaching the end follows again, leaving it stops following."""
        self._top = max(0, min(self._top + rows, self._last_top()))
        self.is_following = self._top >= self._last_top()
        self._settle()

    def to_end(self, *, start: bool = False) -> None:
        """Go to the first row or follow the end."""
        self._top = 0 if start else self._last_top()
        self.is_following = not start or self._last_top() == 0
        self._settle()

    def toggle_follow(self) -> bool:
        """Switch following; returns whether it follows now."""
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
        """Go to the next (1) or previous (-1) row with ``needle``; False when there is none."""
        self.needle = needle
        total = self.count()
        if not needle or not total:
            self._settle()
            return False
        for distance in range(1, total + 1):
            place = (self._top + step * distance) % total
            if needle.lower() in self._text(place).lower():
                self._top = min(place, self._last_top())
                self.is_following = False
                self._settle()
                return True
        return False

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
                for part in wrap(readable(raw), columns)
            ]
        return self._rows

    def _text(self, row: int) -> str:
        return self._wrapped()[row][1] if self.is_wrapping else readable(self.tail.lines[row])

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
