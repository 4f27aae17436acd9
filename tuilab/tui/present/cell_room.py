"""Writes what a large terminal has room for on a cell's screen: its row, completions, events."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tuilab.contract.foreign import clean_line
from tuilab.grid.cells import Cell
from tuilab.grid.history import events_of
from tuilab.grid.metrics import METRICS
from tuilab.store.snapshot import CellView, Snapshot
from tuilab.tui.present.cell_panel import column_lines, note_lines
from tuilab.tui.present.completions_text import Asked, Beside, headed, pair_lines, question_lines
from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.grid_lines import header_line, measure, row_line
from tuilab.tui.present.grid_table import Row, Table, View, view_at
from tuilab.tui.present.layout import PLOT_LEAST, PLOT_MOST, WIDE_COLUMNS
from tuilab.tui.present.side_pane import event_lines
from tuilab.tui.present.spark import Window, trajectory
from tuilab.tui.present.styled_text import Line, rule

if TYPE_CHECKING:
    from tuilab.tui.cell_look import CellLook

_LEAST_ROWS = 30
_MAIN_MOST = 92
_NEWS = 8
"""Most rows that the cell's events take, their rule among them."""
_ANSWERS = 12
"""Rows that completions keep before other sources are listed."""


@dataclass(frozen=True, slots=True)
class Room:
    """Columns and rows of a cell's results."""

    columns: int
    rows: int
    main: int
    """Columns of the list and the row below it; all of them where the terminal is small."""

    @property
    def side(self) -> int:
        """Columns right of them; 0 where there is nothing."""
        return self.columns - self.main


def room_of(columns: int, rows: int) -> Room:
    """Share the columns of a screen."""
    is_large = columns >= WIDE_COLUMNS and rows >= _LEAST_ROWS
    return Room(columns, rows, min(_MAIN_MOST, columns // 2) if is_large else columns)


def own_row(snapshot: Snapshot, cell: Cell) -> Row:
    """Return the row of the grid that a cell is in."""
    cells = tuple(
        view_at(snapshot, cell.source, column, cell.seed) for column in range(len(snapshot.epochs))
    )
    return Row(cell.source, cell.seed, snapshot.labels.get(cell.source, cell.source), cells)


def own_row_lines(
    snapshot: Snapshot,
    cell: Cell,
    look_through: View,
    columns: int,
    rows: int,
    glyphs: Glyphs,
    beside: Row | None = None,
) -> list[Line]:
    """Write the cell's row as the grid has it, and its values as bars; [] without room.

    The bars are on the scale of the row that stands ``beside`` it as well.
    """
    if rows < PLOT_LEAST + 2:
        return []
    row, here = own_row(snapshot, cell), snapshot.epochs.index(cell.epoch)
    metric = look_through.metric if look_through.metric in snapshot.metrics else snapshot.metrics[0]
    seen = replace(View(tint=look_through.tint), metric=metric)
    table = Table(snapshot.epochs, (row,), seen, METRICS[metric].unit.axis())
    parts = measure(table, columns)
    scroll = max(0, min(here - parts.shown // 2, len(snapshot.epochs) - parts.shown))
    window = Window(scroll, parts.shown, parts.label, parts.pitch, here)
    name = clean_line(row.label, 30)
    tall = min(rows - 2, PLOT_MOST)
    return [
        *trajectory(row, name, metric, window, tall, columns, glyphs, beside),
        header_line(table, parts, scroll, here, glyphs),
        row_line(table, 0, parts, scroll, (0, here), frozenset(), glyphs),
    ]


def beside_lines(
    snapshot: Snapshot,
    look: CellLook,
    view: CellView,
    beside: Beside | None,
    metric: str,
    room: Room,
    glyphs: Glyphs,
) -> list[Line]:
    """Return exactly ``room.rows`` lines: completions, the other sources, the note, events."""
    columns = room.side - 1
    fixed: list[Line] = []
    if look.note:
        fixed += [rule("note", "", columns, glyphs.stroke), *note_lines(look.note, columns)]
    if news := _event_lines(snapshot, view, columns, min(_NEWS, room.rows // 4)):
        fixed += [rule("events of this cell", "v history", columns, glyphs.stroke), *news]
    metric = metric if metric in snapshot.metrics else snapshot.metrics[0]
    column = column_lines(snapshot, view.cell.epoch, view.cell.seed, metric, columns, glyphs)
    wanted = _ANSWERS if look.samples else 0
    if room.rows - len(fixed) - len(column) - 1 >= wanted:
        heading = f"epoch {view.cell.epoch}: {METRICS[metric].short} by source"
        fixed = [rule(heading, "", columns, glyphs.stroke), *column, *fixed]
    lines: list[Line] = []
    if look.samples:
        target = clean_line(snapshot.labels.get(snapshot.target, snapshot.target), 30)
        tail = f"shift+tab lists all {look.count}"
        lines = [rule(f"completions of {target}", tail, columns, glyphs.stroke)]
        free = max(0, room.rows - len(fixed) - 1)
        lines += _answer_lines(look, beside, columns, free)
    shown = ([*lines, *fixed] + [()] * room.rows)[: room.rows]
    return [((glyphs.upright, "rule"), *line) for line in shown]


def _answer_lines(look: CellLook, beside: Beside | None, columns: int, rows: int) -> list[Line]:
    """Return exactly ``rows`` lines of what the target said, and another epoch to the same."""
    asked = Asked(marker=look.marker, questions=look.questions)
    lines = headed(beside, columns)
    for row in look.samples:
        most = min(_ANSWERS, rows - len(lines) - 1)
        if most < 2:
            break
        lines += question_lines(row, asked, columns)
        lines += pair_lines(row, beside, asked, columns, most)
    return (lines + [()] * rows)[:rows]


def _event_lines(snapshot: Snapshot, view: CellView, columns: int, limit: int) -> Sequence[Line]:
    names = {str(view.cell), *(job.job for job in view.jobs)}
    # To tell all lines and choose then takes 35 ms at every sign of progress.
    events = events_of(line for line in snapshot.events if _is_about(line, names))
    news = [event for event in events if event.is_news]
    return event_lines(news, columns, limit) if news else ()


def _is_about(line: Mapping[str, Any], names: Container[str]) -> bool:
    named = (line.get("job"), *(line.get("jobs") or ()), *(line.get("cells") or ()))
    return any(isinstance(name, str) and name in names for name in named)
