"""Paints finished lines and repaints only the columns that changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, cast

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tuilab.contract.foreign import clean_line
from tuilab.tui.present.glyphs import to_ascii
from tuilab.tui.present.styled_text import Line, Piece, width
from tuilab.tui.themes import Palette

if TYPE_CHECKING:
    from tuilab.tui.app_protocol import AppProtocol


NEAR = 6
"""Columns between two changes up to which they are painted as one."""


class Ground(NamedTuple):
    """What a widget's own style sheet gives to every line; looked up once."""

    style: Style
    backdrop: Color
    is_plain: bool
    """Whether the widget is its lines and nothing else: no border, no padding, no opacity."""


class Painted(Widget):
    """A widget made of composed lines; the style of its ground is looked up once."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._ground: Ground | None = None
        self.lines: tuple[Line, ...] = ()
        """What is shown."""

    def repaint(self, lines: Sequence[Line]) -> None:
        """Replace the lines; only columns that differ are painted again."""
        before, self.lines = self.lines, tuple(lines)
        if self._ground is None:  # it was not painted yet, and will be as a whole
            self.refresh()
        elif regions := changed_regions(before, self.lines):
            self.refresh(*regions)

    def notify_style_update(self) -> None:
        """Another theme or class: the ground is another one."""
        self._ground = None
        super().notify_style_update()

    @property
    def ground(self) -> Ground:
        """What lies under the lines."""
        if self._ground is None:
            plain = not any(self.gutter) and self.opacity == 1.0
            self._ground = Ground(self.rich_style, self.background_colors[1], plain)
        return self._ground

    def render_line(self, y: int) -> Strip:
        """Paint one line on the widget's own ground."""
        return self._paint(self._shown(y), self.size.width)

    def stretch(self, y: int, first: int, last: int) -> Strip:
        """Paint the columns from ``first`` to before ``last`` of a line, as the terminal needs it.

        For a widget whose ground is plain: it goes past Textual's own cache of whole lines.
        """
        line = self._shown(y)
        part = stretch_of(line, first, last)
        if part is None:
            strip = self._paint(line, self.size.width).crop(first, last)
        else:
            strip = self._paint(part, last - first)
        for line_filter in self.get_line_filters():
            strip = strip.apply_filter(line_filter, self.ground.backdrop)
        return strip

    def _shown(self, y: int) -> Line:
        line = self.lines[y] if y < len(self.lines) else ()
        if cast("AppProtocol", self.app).glyphs.is_ascii:
            return tuple((to_ascii(text), role) for text, role in line)
        return line

    def _paint(self, line: Line, columns: int) -> Strip:
        return paint(line, columns, cast("AppProtocol", self.app).palette, self.ground.style)


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


def stretch_of(line: Line, first: int, last: int) -> Line | None:
    """Return the pieces between two columns; None where text that is not plain would be cut."""
    found: list[Piece] = []
    at = 0
    for text, role in line:
        if at >= last:
            break
        end = at + cell_len(text)
        if end > first:
            if at < first or end > last:
                if not _is_narrow(text):
                    return None
                text = text[max(0, first - at) : last - at]
            found.append((text, role))
        at = end
    return tuple(found)


@lru_cache(maxsize=4096)
def _is_narrow(text: str) -> bool:
    """Whether every sign takes one column."""
    return text.isascii() or all(cell_len(sign) == 1 for sign in text)


def _safe(text: str) -> str:
    """The last gate: whatever is foreign in a name or a key, no control reaches the terminal."""
    return text if text.isprintable() else clean_line(text)


class Lines(Painted):
    """A block of lines that others compose; it holds no state besides."""

    DEFAULT_CSS = "Lines { height: 1; width: 1fr; }"
    show = Painted.repaint

    class Clicked(Message):
        """A piece of a line was clicked."""

        def __init__(self, lines: Lines, row: int, place: int) -> None:
            super().__init__()
            self.lines = lines
            self.row = row
            self.place = place
            """Number of the piece in its line."""

        @property
        def control(self) -> Lines:
            """What was clicked, for ``on``."""
            return self.lines

        @property
        def text(self) -> str:
            """What the piece says."""
            return self.lines.lines[self.row][self.place][0].strip()

    def on_click(self, event: events.Click) -> None:
        """Say which piece was clicked."""
        line = self.lines[event.y] if event.y < len(self.lines) else ()
        place = piece_at(line, event.x)
        if place is not None:
            self.post_message(self.Clicked(self, event.y, place))


def piece_at(line: Line, column: int) -> int | None:
    """Return the number of the piece that stands at a column; None where the line has ended."""
    end = 0
    for place, (text, _) in enumerate(line):
        end += cell_len(text)
        if column < end:
            return place
    return None


def changed_spans(old: Line, new: Line) -> list[tuple[int, int]]:
    """Return (first, last + 1) of the stretches of columns in which two lines differ.

    Stretches that lie close together are one: to begin another costs some 40 bytes.
    """
    if old == new:
        return []
    start, old, new = _without_common_ends(old, new)
    before, after = _columns(old), _columns(new)
    length = max(len(before), len(after))
    before += [(" ", "")] * (length - len(before))
    after += [(" ", "")] * (length - len(after))
    spans: list[tuple[int, int]] = []
    for x in range(length):
        if before[x] != after[x]:
            at = start + x
            if spans and at - spans[-1][1] < NEAR:
                spans[-1] = (spans[-1][0], at + 1)
            else:
                spans.append((at, at + 1))
    return spans


def _without_common_ends(old: Line, new: Line) -> tuple[int, Line, Line]:
    """Leave out the pieces in which both lines begin and end alike; the column that is left of it.

    Most of a line is the same as before, and to look at its every sign is most of the work.
    """
    shorter = min(len(old), len(new))
    head = 0
    while head < shorter and old[head] == new[head]:
        head += 1
    start = width(new[:head])
    old, new = old[head:], new[head:]
    if width(old) == width(new):
        shorter -= head
        tail = 0
        while tail < shorter and old[-1 - tail] == new[-1 - tail]:
            tail += 1
        old, new = old[: len(old) - tail], new[: len(new) - tail]
    return start, old, new


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
