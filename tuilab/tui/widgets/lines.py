"""Paints finished lines and repaints only the columns that changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tuilab.contract.foreign import clean_line
from tuilab.tui.present.pieces import Line

if TYPE_CHECKING:
    from tuilab.tui.app import TuilabApp


def paint(widget: Widget, line: Line) -> Strip:
    """Colour a line and fill it up to the widget's width, on the widget's own ground."""
    palette = cast("TuilabApp", widget.app).palette
    colours = Strip([Segment(_safe(text), palette.style(role)) for text, role in line if text])
    return colours.adjust_cell_length(widget.size.width).apply_style(widget.rich_style)


def _safe(text: str) -> str:
    """The last gate: whatever is foreign in a name or a key, no control reaches the terminal."""
    return text if text.isprintable() else clean_line(text)


class Lines(Widget):
    """A block of lines that others compose; it holds no state besides."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "Lines { height: 1; width: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: tuple[Line, ...] = ()

    @property
    def lines(self) -> tuple[Line, ...]:
        """What is shown."""
        return self._lines

    def show(self, lines: Sequence[Line]) -> None:
        """Replace the lines; only columns that differ are painted again."""
        before, self._lines = self._lines, tuple(lines)
        regions = []
        for y in range(max(len(before), len(self._lines))):
            old = before[y] if y < len(before) else ()
            new = self._lines[y] if y < len(self._lines) else ()
            if span := changed_span(old, new):
                regions.append(Region(span[0], y, span[1] - span[0], 1))
        if regions:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        """Paint one line."""
        line = self._lines[y] if y < len(self._lines) else ()
        return paint(self, line)


def changed_span(old: Line, new: Line) -> tuple[int, int] | None:
    """Return the (first, last + 1) columns in which two lines differ, None when equal."""
    if old == new:
        return None
    before, after = _columns(old), _columns(new)
    length = max(len(before), len(after))
    before += [(" ", "")] * (length - len(before))
    after += [(" ", "")] * (length - len(after))
    differing = [x for x in range(length) if before[x] != after[x]]
    return (differing[0], differing[-1] + 1) if differing else None


def _columns(line: Line) -> list[tuple[str, str]]:
    """One (sign, role) per column; the second half of a wide sign is an empty string."""
    from rich.cells import cell_len

    found: list[tuple[str, str]] = []
    for text, role in line:
        for sign in text:
            columns = cell_len(sign)
            if columns == 0 and found:
                found[-1] = (found[-1][0] + sign, found[-1][1])
            elif columns:
                found.append((sign, role))
                found += [("", role)] * (columns - 1)
    return found
