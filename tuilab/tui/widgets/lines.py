"""Paints finished lines and repaints only the columns that changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tuilab.contract.foreign import clean_line
from tuilab.tui.present.glyphs import to_ascii
from tuilab.tui.present.pieces import Line
from tuilab.tui.themes import Palette

if TYPE_CHECKING:
    from tuilab.tui.app import TuilabApp


NEAR = 6
"""Columns between two changes up to which they are painted as one."""


class Painted(Widget):
    """A widget made of composed lines; the style of its ground is looked up once."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._ground: Style | None = None

    def composed(self, y: int) -> Line:
        """Return the line at a row of the widget."""
        raise NotImplementedError

    def notify_style_update(self) -> None:
        """Another theme or class: the ground is another one."""
        self._ground = None
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """Paint one line on the widget's own ground."""
        lab = cast("TuilabApp", self.app)
        if self._ground is None:
            self._ground = self.rich_style
        line = self.composed(y)
        if lab.glyphs.is_ascii:
            line = tuple((to_ascii(text), role) for text, role in line)
        return paint(line, self.size.width, lab.palette, self._ground)


def paint(line: Line, columns: int, palette: Palette, ground: Style) -> Strip:
    """Colour a line and fill or cut it to ``columns``."""
    segments, used = [], 0
    for text, role in line:
        if text:
            shown = _safe(text)
            segments.append(Segment(shown, palette.on(role, ground)))
            used += cell_len(shown)
    if used < columns:
        segments.append(Segment(" " * (columns - used), ground))
    strip = Strip(segments, max(used, columns))
    return strip if used <= columns else strip.crop(0, columns)


def _safe(text: str) -> str:
    """The last gate: whatever is foreign in a name or a key, no control reaches the terminal."""
    return text if text.isprintable() else clean_line(text)


class Lines(Painted):
    """A block of lines that others compose; it holds no state besides."""

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
        regions = changed_regions(before, self._lines)
        if regions:
            self.refresh(*regions)

    def composed(self, y: int) -> Line:
        """Return the line at a row."""
        return self._lines[y] if y < len(self._lines) else ()


def changed_spans(old: Line, new: Line) -> list[tuple[int, int]]:
    """Return (first, last + 1) of the stretches of columns in which two lines differ.

    Stretches that lie close together are one: to begin another costs some 40 bytes.
    """
    if old == new:
        return []
    before, after = _columns(old), _columns(new)
    length = max(len(before), len(after))
    before += [(" ", "")] * (length - len(before))
    after += [(" ", "")] * (length - len(after))
    spans: list[tuple[int, int]] = []
    for x in range(length):
        if before[x] != after[x]:
            if spans and x - spans[-1][1] < NEAR:
                spans[-1] = (spans[-1][0], x + 1)
            else:
                spans.append((x, x + 1))
    return spans


def changed_regions(before: Sequence[Line], after: Sequence[Line]) -> list[Region]:
    """Return the regions of a widget in which its lines differ."""
    return [
        Region(first, y, last - first, 1)
        for y in range(max(len(before), len(after)))
        for first, last in changed_spans(
            before[y] if y < len(before) else (), after[y] if y < len(after) else ()
        )
    ]


def _columns(line: Line) -> list[tuple[str, str]]:
    """One (sign, role) per column; the second half of a wide sign is an empty string."""
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
