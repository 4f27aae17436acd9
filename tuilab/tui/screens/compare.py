"""Two experiments of one grid side by side: the difference in every cell."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult

from tuilab.contract.foreign import clean_line
from tuilab.grid.cells import Cell
from tuilab.grid.metrics import HEADLINE, METRICS, metric_after
from tuilab.store.reader import Reader
from tuilab.store.snapshot import Snapshot
from tuilab.study.comparability import Comparability, Record, comparability, record_of
from tuilab.study.comparison import (
    NOTHING_SHARED,
    Compared,
    Comparison,
    paired,
    same_cells,
    shared_questions,
    tested,
)
from tuilab.tui import keys
from tuilab.tui.messages import ExperimentChosen
from tuilab.tui.poller import SnapshotSource
from tuilab.tui.present.compare_room import LEAST_ROWS, Side, room_lines
from tuilab.tui.present.compare_text import (
    apart_lines,
    beyond_text,
    compare_lines,
    epochs_shown,
    here_lines,
    summary,
    with_cursor,
)
from tuilab.tui.present.styled_text import Line, fit_line, plain, rule
from tuilab.tui.screens.frame import Frame
from tuilab.tui.widgets.key_bar import KeyBar
from tuilab.tui.widgets.lines import Lines
from tuilab.tui.widgets.row_list import RowList

_TALL = 30
"""Rows of a terminal from which half of them are for the cell under the cursor."""


class CompareScreen(Frame):
    """The second experiment minus the first, with a cursor on one cell of both."""

    BINDINGS = keys.COMPARE

    def __init__(self, one: Path, other: Path) -> None:
        super().__init__()
        self._roots = (one, other)
        self._found: dict[str, Comparison] = {}
        """By metric; empty until both were read."""
        self._apart: Comparability | None = None
        self._sources: list[SnapshotSource] = []
        self._views: list[Snapshot] = []
        self._metric = HEADLINE
        self._synthetic = False
        self._theirs: dict[Cell, Cell] = {}
        """The second's cell by the first's: where each has a single seed, those may differ."""
        self._rows: list[list[Compared | None]] = []
        """By source and seed, then epoch."""
        self._lines: list[Line] = []
        self._epoch = 0
        """Place of the cursor's epoch among all."""
        self._first = 0
        """Place of the first epoch that is seen."""

    def compose(self) -> ComposeResult:
        """Title, differences, summary, keys."""
        yield Lines(id="header")
        yield Lines(id="compare-head")
        yield RowList(id="compare")
        yield Lines(id="compare-room")
        yield Lines(id="compare-sum")
        yield KeyBar(keys.COMPARE, self.tuilab.glyphs)

    def settle(self) -> None:
        """Read both, off the event loop."""
        self.listed.nothing = "reading"
        self._read()

    @work(exclusive=True)
    async def _read(self) -> None:
        """Show the numbers as soon as they are there, and what is to be said of them after it."""
        try:
            self._found, records, cells = await asyncio.to_thread(self._read_both)
        except Exception as error:  # whichever cannot be read is named
            for rows in self.query(RowList):
                rows.nothing = ""
                rows.refresh()
            self.say(clean_line(str(error), 300), "failed")
            return
        if self.is_there:
            self._metric = next(iter(self._found))
            self._theirs = dict(cells)
            self._show()
            self._apart = await asyncio.to_thread(comparability, records, cells)
            self._found |= await asyncio.to_thread(self._tested)
        if self.is_there:
            self._show()

    def _read_both(self) -> tuple[dict[str, Comparison], list[Record], list[tuple[Cell, Cell]]]:
        now = self.tuilab.time()
        sources = self._sources = [self.tuilab.source_of(root) for root in self._roots]
        one, other = self._views = [source.poll(now) for source in sources]
        self._synthetic = any(view.synthetic for view in (one, other))
        records = [
            record_of(source, view.name) if isinstance(source, Reader) else Record(view.name)
            for source, view in zip(sources, (one, other), strict=True)
        ]
        shared = [metric for metric in one.metrics if metric in other.metrics]
        found = {metric: paired(one, other, metric) for metric in shared}
        return found, records, same_cells(one, other)

    def _tested(self) -> dict[str, Comparison]:
        """Add what chance explains; it takes seconds on thousands of cells."""
        (one, other), (mine, theirs) = self._sources, self._views
        shared = NOTHING_SHARED
        if isinstance(one, Reader) and isinstance(other, Reader):
            shared = shared_questions((one, other), mine, theirs, list(self._found))
        return {metric: tested(found, shared) for metric, found in self._found.items()}

    def on_screen_resize(self, columns: int, rows: int) -> None:
        """Lay out for the new width."""
        self._show()

    def _show(self) -> None:
        columns, glyphs = self.size.width, self.tuilab.glyphs
        title = f"{self._names[1]} minus {self._names[0]}"
        if self._synthetic:
            title += "  (synthetic model)"
        self.write("header", rule(title, "m metric", columns, glyphs.stroke))
        if (found := self._found.get(self._metric)) is None:
            return
        self._rows = [row for _, row in found.rows]
        room = epochs_shown(columns - 2)
        self._first = max(self._epoch - room + 1, min(self._first, self._epoch))
        head, *self._lines = compare_lines(found, columns - 2, self._first)
        self.write("compare-head", ((" ", ""), *head))
        self.listed.nothing = ""  # what is there to say stands above
        self.listed.show_many([str(n) for n in range(len(self._lines))], self._row)
        self._show_foot()

    def _row(self, place: int) -> Line:
        line = self._lines[place]
        return with_cursor(line, self._epoch - self._first) if place == self.listed.place else line

    @on(RowList.Moved)
    def _show_foot(self) -> None:
        if (found := self._found.get(self._metric)) is None:
            return
        columns = self.size.width
        said = self._said(found)
        foot = self.query_one("#compare-sum", Lines)
        foot.styles.height = len(said)
        foot.show([fit_line(line, columns) for line in said])
        self._share_room(found, len(said))

    def _share_room(self, found: Comparison, foot: int) -> None:
        """The table takes what it needs, the row under the cursor what is left."""
        room, place = self.query_one("#compare-room", Lines), self.listed.place
        rows = self.size.height - 3 - foot
        needed = len(self._lines)
        if self.size.height >= _TALL:
            needed = min(needed, rows // 2)
        room.display = rows - needed >= LEAST_ROWS and place < len(self._rows)
        self.listed.styles.height = needed if room.display else "1fr"
        if not room.display:
            return
        cell = here.cell if (here := self._here) is not None else None
        names, theirs = self._names, self._theirs.get(cell) if cell else None
        both = (Side(names[0], self._views[0], cell), Side(names[1], self._views[1], theirs))
        drawn = room_lines(
            found,
            found.rows[place],
            self._epoch,
            both,
            self.size.width,
            rows - needed,
            self.tuilab.glyphs,
        )
        room.styles.height = rows - needed
        room.show(drawn)

    def _said(self, found: Comparison) -> list[Line]:
        """What is to be said of the cell under the cursor and of all."""
        here = here_lines(found, self._here, self._names) if found.cells else ()
        said = [*here, summary(found)]
        if found.is_tested:
            said.append(beyond_text(len(found.beyond_chance), len(found.cells)))
        if self._apart is not None and found.cells:
            most = 1 if self.size.height < _TALL else 4
            said += apart_lines(self._apart, self.size.width, most)
        return said

    @property
    def _names(self) -> list[str]:
        return [clean_line(root.name, 30) for root in self._roots]

    @property
    def _here(self) -> Compared | None:
        """What is under the cursor; None where the two have no cell in common."""
        place = self.listed.place
        return self._rows[place][self._epoch] if place < len(self._rows) else None

    def action_along(self, step: int) -> None:
        """Go to an earlier or later epoch."""
        if (found := self._found.get(self._metric)) is not None and found.cells:
            self._epoch = max(0, min(self._epoch + step, len(found.epochs) - 1))
            self._show()

    @on(RowList.Opened)
    def action_open(self) -> None:
        """Open the cell under the cursor as the second experiment has it."""
        self._open(1)

    def action_open_first(self) -> None:
        """Open it as the first has it."""
        self._open(0)

    def _open(self, which: int) -> None:
        if (here := self._here) is None:
            self.say("no cell of both here")
            return
        cell = self._theirs[here.cell] if which else here.cell
        self.app.post_message(ExperimentChosen(self._roots[which], cell))

    def action_copy(self) -> None:
        """Copy what is said of the cell under the cursor, and of what it was measured."""
        if (here := self._here) is None or self._metric not in self._found:
            self.say("no cell of both here")
            return
        said = here_lines(self._found[self._metric], here, self._names)
        words = [METRICS[self._metric].title, *(plain(line).strip() for line in said)]
        self.tuilab.copy("; ".join(words) + self._synthetic * " (synthetic model)")

    def action_metric(self) -> None:
        """Compare the next metric."""
        if self._found and not next(iter(self._found.values())).cells:
            self.say("nothing to compare: they have no cell in common")
            return
        self._metric = metric_after(self._metric, list(self._found))
        self._show()
