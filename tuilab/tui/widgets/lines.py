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


class Painted(Widget):
    """A widget made of composed lines; the style of its ground is looked up once per painting."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._ground: Style | None = None

    def composed(self, y: int) -> Line:
        """Return the line at a row of the widget."""
        raise NotImplementedError

    def render_lines(self, crop: Region) -> list[Strip]:
        """Look the ground up, then paint."""
        self._ground = self.rich_style
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """Paint one line on the widget's own ground."""
        lab = cast("TuilabApp", self.app)
        ground = self._ground or self.rich_style
        line = self.composed(y)
        if lab.glyphs.is_ascii:
            line = tuple((to_ascii(text), role) for text, role in line)
        return paint(line, self.size.width, lab.palette, ground)


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
        regions = []
        for y in range(max(len(before), len(self._lines))):
            old = before[y] if y < len(before) else ()
            new = self._lines[y] if y < len(self._lines) else ()
            if span := changed_span(old, new):
                regions.append(Region(span[0], y, span[1] - span[0], 1))
        if regions:
            self.refresh(*regions)

    def composed(self, y: int) -> Line:
        """Return the line at a row."""
        return self._lines[y] if y < len(self._lines) else ()


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
