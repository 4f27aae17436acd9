"""The grid itself: one line-API widget that paints only the cells that changed."""

from __future__ import annotations

from textual import events
from textual.geometry import Offset, Size
from textual.message import Message
from textual.scroll_view import ScrollView

from tuilab.grid.cells import Cell
from tuilab.tui.present.glyphs import UNICODE, Glyphs
from tuilab.tui.present.grid_lines import Geometry, header_line, measure, row_line
from tuilab.tui.present.grid_table import EMPTY, Table
from tuilab.tui.present.spark import Window
from tuilab.tui.widgets.lines import Painted


class GridWidget(Painted, ScrollView, can_focus=False):
    """Frozen header and labels, a cursor and marks over a table of cells."""

    DEFAULT_CSS = """
    GridWidget { scrollbar-size: 0 0; overflow: hidden hidden; }
    """

    class CursorMoved(Message):
        """The mouse has put the cursor on another cell."""

    class Fitted(Message):
        """Other rows or columns fit now than before."""

    class CellOpened(Message):
        """A cell was double-clicked."""

    def __init__(self, glyphs: Glyphs = UNICODE, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.table: Table = EMPTY
        self.cursor: tuple[int, int] = (0, 0)
        """(row, column) in the table."""
        self.marked: frozenset[Cell] = frozenset()
        self._first: tuple[int, int] = (0, 0)
        """(row, column) at the top left of what is shown."""
        self._geometry: Geometry = measure(EMPTY, 80)

    @property
    def cell(self) -> Cell | None:
        """The cell under the cursor."""
        return self.table.cell(*self.cursor)

    @property
    def window(self) -> Window:
        """Which columns are shown and where they stand."""
        geometry = self._geometry
        return Window(
            self._first[1], geometry.shown, geometry.label, geometry.pitch, self.cursor[1]
        )

    @property
    def seen(self) -> tuple[range, range]:
        """Rows and columns of the table that are on the screen."""
        top, left = self._first
        bottom = min(top + self.rows_shown, len(self.table.rows))
        right = min(left + self._geometry.shown, len(self.table.epochs))
        return range(top, bottom), range(left, right)

    @property
    def rows_shown(self) -> int:
        """Rows that fit below the header."""
        return max(1, self.size.height - 1)

    def show(self, table: Table, keep: Cell | None = None) -> None:
        """Take a new table; the cursor stays on its cell wherever that stands now."""
        keep = keep or self.cell
        place = table.place(keep) if keep is not None else None
        before, was, first = self.table, self.cursor, self._first
        self.table = table
        row, column = place or self.cursor
        self.cursor = (
            max(0, min(row, len(table.rows) - 1)),
            max(0, min(column, len(table.epochs) - 1)),
        )
        same_shape = _has_same_shape(before, table)
        if same_shape:
            self._bring_into_view()
        else:
            self._lay_out()
        if same_shape and self.cursor == was and self._first == first and self.lines:
            self._redraw(_changed_rows(before, table))
        else:
            self._redraw()

    def move_to(self, row: int, column: int) -> None:
        """Put the cursor on a cell, clipped to the table, and scroll it into view."""
        was, first = self.cursor, self._first
        self.cursor = (
            max(0, min(row, len(self.table.rows) - 1)),
            max(0, min(column, len(self.table.epochs) - 1)),
        )
        self._bring_into_view()
        if first == self._first and self.lines:
            self._redraw({was[0], self.cursor[0]})
        else:
            self._redraw()

    def mark(self, cells: frozenset[Cell]) -> None:
        """Show these cells as marked."""
        self.marked = cells
        self._redraw()

    def on_resize(self, event: events.Resize) -> None:
        """Measure again."""
        self._lay_out()
        self._redraw()
        self.post_message(self.Fitted())

    def _lay_out(self) -> None:
        self._geometry = measure(self.table, self.size.width or 80)
        self.virtual_size = Size(self.size.width, len(self.table.rows) + 1)
        self._bring_into_view()

    def _bring_into_view(self) -> None:
        row, column = self.cursor
        top, left = self._first
        top = max(min(top, row), row - self.rows_shown + 1)
        top = max(0, min(top, len(self.table.rows) - self.rows_shown))
        shown = self._geometry.shown
        left = max(min(left, column), column - shown + 1)
        left = max(0, min(left, len(self.table.epochs) - shown))
        self._first = (top, left)

    def _redraw(self, rows: set[int] | None = None) -> None:
        """Compose what is visible, or only these rows."""
        left = self._first[1]
        here = self.cursor if self.table.rows else None
        lines = [
            header_line(self.table, self._geometry, left, here[1] if here else -1, self.glyphs)
        ]
        for y, number in enumerate(self.seen[0], 1):
            if rows is None or number in rows or y >= len(self.lines):
                shape = (number, self._geometry, left, here, self.marked, self.glyphs)
                lines.append(row_line(self.table, *shape))
            else:
                lines.append(self.lines[y])
        self.repaint(lines)

    def place_at(self, offset: Offset) -> tuple[int, int] | None:
        """Return the (row, column) under a position of the mouse."""
        geometry = self._geometry
        column = (offset.x - geometry.label) // geometry.pitch + self._first[1]
        row = offset.y - 1 + self._first[0]
        last = self._first[1] + geometry.shown
        inside = offset.x >= geometry.label and column < min(last, len(self.table.epochs))
        return (row, column) if inside and 0 <= row < len(self.table.rows) and offset.y else None

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor, a double click opens the cell."""
        if (place := self.place_at(event.get_content_offset(self) or event.offset)) is None:
            return
        self._move_by_mouse(*place)
        if event.chain > 1:
            self.post_message(self.CellOpened())

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel moves the cursor by rows."""
        event.stop()
        self._move_by_mouse(self.cursor[0] + 1, self.cursor[1])

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel moves the cursor by rows."""
        event.stop()
        self._move_by_mouse(self.cursor[0] - 1, self.cursor[1])

    def _move_by_mouse(self, row: int, column: int) -> None:
        self.move_to(row, column)
        self.post_message(self.CursorMoved())


def _has_same_shape(before: Table, after: Table) -> bool:
    """Whether two tables are measured alike: the same view, columns and labels."""
    return (
        before.view == after.view
        and before.epochs == after.epochs
        and len(before.rows) == len(after.rows)
        and all(
            one.label == other.label and one.seed == other.seed
            for one, other in zip(before.rows, after.rows, strict=True)
        )
    )


def _changed_rows(before: Table, after: Table) -> set[int]:
    """Numbers of the rows that are not the same; cells that did not change are the same objects."""
    return {
        number
        for number, row in enumerate(after.rows)
        if number >= len(before.rows) or before.rows[number] != row
    }
