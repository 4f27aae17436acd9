"""The grid screen: where everything is seen at once and acted on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from tuilab.contract.files import LOG_FILE
from tuilab.grid.cells import Cell
from tuilab.grid.history import Event
from tuilab.grid.lines import is_named
from tuilab.grid.text import size
from tuilab.store.layout import Layout
from tuilab.store.snapshot import CellView, Snapshot
from tuilab.store.user_files import pager
from tuilab.tui import keys, welcome
from tuilab.tui.cell_evidence import Evidence, evidence_of
from tuilab.tui.log_tail import Tail
from tuilab.tui.present import cli_equivalent, grid_view
from tuilab.tui.present.cell_summary import copied_value, story
from tuilab.tui.present.filters import EXAMPLES, Filter, FilterError, name_text, parse_filter
from tuilab.tui.present.grid_lines import columns_of
from tuilab.tui.present.grid_table import Row, View, arrange, find, next_broken
from tuilab.tui.present.header import header
from tuilab.tui.present.history_text import last_line
from tuilab.tui.present.layout import Shares, share_rows
from tuilab.tui.present.log_choice import log_of, why_no_log
from tuilab.tui.present.side_pane import last_events, side_pane
from tuilab.tui.present.spark import trajectory
from tuilab.tui.present.styled_text import Line, fit_line, rule, wrapped
from tuilab.tui.present.value_colour import Tint
from tuilab.tui.screens.cell_actions import CellActions
from tuilab.tui.themes import ANSI16
from tuilab.tui.widgets.field import Field
from tuilab.tui.widgets.grid import GridWidget
from tuilab.tui.widgets.key_bar import KeyBar
from tuilab.tui.widgets.lines import Lines
from tuilab.tui.widgets.log import LogView

if TYPE_CHECKING:
    from tuilab.tui.cell_look import CellLook

LOOK_SECONDS = 0.05
LOOKS = 200
"""Cells whose numbers are kept."""


class GridScreen(CellActions):
    """Sources down, epochs across; below it the story and the log of the cell under the cursor."""

    BINDINGS = keys.GRID

    def __init__(self) -> None:
        super().__init__()
        self.view = View()
        self._shares: Shares = share_rows(80, 24, 1)
        self._snapshot: Snapshot | None = None
        self._anchor: tuple[int, int] | None = None
        """Where the rectangle being marked began."""
        self._log_of: tuple[str, int] | None = None
        self._log_shown: tuple[str, int] | None = None
        """The job and attempt whose log is seen: the wanted one is there a moment later."""
        self._events: list[Event] = []
        """What the right pane has to tell of the snapshot."""
        self._drawn: tuple[Row, object] | None = None
        """The row whose bars are seen, and how they are drawn."""
        self._look: CellLook | None = None
        self._looked_at: Cell | None = None
        """The cell that the right pane tells of."""
        self._look_of: object = None
        """What was asked for last."""
        self._looks: dict[Evidence, CellLook] = {}
        self._is_tinted = True
        """Whether values are to be told apart by colour."""
        self._filter_before = ""
        """What the filter was before it was typed at: esc goes back to it."""

    def compose(self) -> ComposeResult:
        """Stack the parts; the side pane stands right of them when there is room."""
        yield Lines(id="header")
        # Hidden until there is something: how the room is shared depends on it.
        with Horizontal(id="middle") as middle:
            middle.visible = False
            with Vertical(id="main"):
                yield GridWidget(self.tuilab.glyphs, id="grid")
                yield Lines(id="trajectory")
                yield Lines(id="upper-rule")
                yield Lines(id="story")
                yield Lines(id="lower-rule")
                yield LogView(id="log")
                yield Lines(id="event")
            yield Lines(id="side")
        yield Lines(id="welcome")
        yield KeyBar(keys.GRID, self.tuilab.glyphs)

    def settle(self) -> None:
        """Begin with the metric that the person prefers, hear of the log, greet who is new here."""
        self.view = View(metric=self.tuilab.preferences.metric)
        self.tuilab.logs.subscribe(self, self._show_log, immediate=True)
        self.app.theme_changed_signal.subscribe(self, self._take_theme)
        self.view = replace(self.view, tint=self._tint)
        lines = welcome.lines(self.tuilab.glyphs) if welcome.is_new_here() else ()
        self.write("welcome", *lines)
        self.query_one("#welcome").display = bool(lines)

    @property
    def grid(self) -> GridWidget:
        """The grid widget."""
        return self.query_one("#grid", GridWidget)

    @property
    def log_view(self) -> LogView:
        """The log peek."""
        return self.query_one("#log", LogView)

    @property
    def selected(self) -> CellView | None:
        """The cell under the cursor as the snapshot has it."""
        cell = self.grid.cell
        return None if cell is None or self._snapshot is None else find(self._snapshot, cell)

    def chosen(self) -> list[Cell]:
        """The marked cells in grid order, otherwise the one under the cursor."""
        if self.grid.marked and self._snapshot is not None:
            return [v.cell for v in self._snapshot.cells if v.cell in self.grid.marked]
        return [] if self.grid.cell is None else [self.grid.cell]

    @property
    def _tint(self) -> Tint:
        """How values are told apart, by what a person wants and the terminal has."""
        if not self._is_tinted or self.app.no_color:
            return Tint.NONE
        return Tint.TONE if self.tuilab.palette.name == ANSI16 else Tint.GROUND

    def _take_theme(self, _: object) -> None:
        self._look_through(replace(self.view, tint=self._tint))

    # State comes in.

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Show a new snapshot; the cursor stays on its cell."""
        before, self._snapshot = self._snapshot, snapshot
        self.query_one("#middle").visible = True
        self._arrange(snapshot)
        if before is None or len(before.sources) != len(snapshot.sources):
            self._share_room()
        self._refresh_frame(snapshot)
        self._refresh_words()

    def on_screen_resize(self, columns: int, rows: int) -> None:
        """Share the rows anew."""
        self._share_room()
        if self._snapshot is not None:
            self._refresh_frame(self._snapshot)
        self._refresh_words()

    def on_screen_resume(self) -> None:
        """Another screen has read another log meanwhile."""
        self._log_of = None
        self._refresh_words()

    def _refresh_frame(self, snapshot: Snapshot) -> None:
        """Write what does not depend on the cursor: header and right pane."""
        columns, glyphs = self.size.width, self.tuilab.glyphs
        self.write("header", header(snapshot, columns, glyphs))
        if self._shares.side:
            self._events = last_events(snapshot, self.size.height)
            self._show_side(snapshot)
        if self._shares.event:
            self.write("event", last_line(snapshot, columns))

    def _show_side(self, snapshot: Snapshot) -> None:
        """Write the right pane, with the cell that was looked at last."""
        look, glyphs = self._look, self.tuilab.glyphs
        view = find(snapshot, self._looked_at) if self._looked_at is not None else None

        def closer(columns: int, rows: int) -> list[Line]:
            if view is None or look is None:
                return []
            from tuilab.tui.present.cell_panel import panel_lines

            metric = self.view.metric
            return panel_lines(snapshot, look, view, metric, (columns, rows), glyphs)

        rows = self.size.height - 2
        shares = self._shares
        self.write("side", *side_pane(snapshot, self._events, shares.side, rows, glyphs, closer))

    def _look_closer(self, snapshot: Snapshot, view: CellView | None) -> None:
        """Read what the cell under the cursor measured, where there is room to show it."""
        if not self._shares.side:
            return
        if view is None:
            if self._looked_at is not None:
                self._looked_at = self._look_of = None
                self._show_side(snapshot)
            return
        evidence = (evidence_of(snapshot.root, view), self.view.metric)
        if evidence == self._look_of:
            return
        self._look_of = evidence
        self._read_look(view)

    @work(exclusive=True, group="look")
    async def _read_look(self, view: CellView) -> None:
        from tuilab.tui.cell_look import look_at

        source = self.tuilab.poller.source
        # A key costs nothing of this: neither read nor painted are cells that the cursor passes.
        await asyncio.sleep(LOOK_SECONDS)
        known = self._looks.get(evidence_of(self.tuilab.root or Path(), view))
        look = known if known is not None else await asyncio.to_thread(look_at, source, view)
        if self.is_there:
            self._looks[look.evidence] = look
            while len(self._looks) > LOOKS:
                del self._looks[next(iter(self._looks))]
            self._take_look(view.cell, look)

    def _take_look(self, cell: Cell, look: CellLook) -> None:
        self._looked_at, self._look = cell, look
        if self._snapshot is not None and self._shares.side:
            self._show_side(self._snapshot)

    def _share_room(self) -> None:
        columns, rows = self.size
        table = self.grid.table
        ran_here = self._snapshot is not None and not self._snapshot.imported_from
        wide = columns_of(table)
        shares = share_rows(columns, rows, max(1, len(table.rows)), wide, ran_here, ran_here)
        self._shares = shares
        self.grid.styles.height = shares.grid
        for name, height in (("trajectory", shares.trajectory), ("story", shares.story)):
            part = self.query_one(f"#{name}")
            part.display = height > 0
            part.styles.height = height
        self.query_one("#event").display = shares.event > 0
        for name in ("lower-rule", "log"):
            self.query_one(f"#{name}").display = shares.log > 0
        side = self.query_one("#side")
        side.display = shares.side > 0
        side.styles.width = shares.side

    def _refresh_words(self) -> None:
        """Write what depends on the cursor and the view; only what differs is painted."""
        snapshot = self._snapshot
        if snapshot is None:
            return
        glyphs = self.tuilab.glyphs
        left = self.size.width - self._shares.side
        shown = (self.grid.table, self.grid.marked, self.grid.seen)
        self.write("upper-rule", grid_view.title_line(*shown, left, glyphs))
        view = self.selected
        table, cursor = self.grid.table, self.grid.cursor
        told = (
            story(snapshot, view, glyphs)
            if view
            else grid_view.story_without_cell(snapshot, table, cursor, glyphs)
        )
        # A sentence that does not fit into its line takes the next, where that would be empty.
        lines: list[Line] = []
        for line in told:
            if room := self._shares.story - len(lines):
                is_sentence = len(line) == 1
                most = min(2, room)
                lines += wrapped(line[0], left, most) if is_sentence else [fit_line(line, left)]
        self.write("story", *lines)
        if self._shares.trajectory and table.rows:
            row, window = table.rows[cursor[0]], self.grid.window._replace(here=0)
            drawn = (self.view.metric, window, self._shares.trajectory, left)
            if self._drawn is None or self._drawn[0] is not row or self._drawn[1] != drawn:
                self._drawn = (row, drawn)  # along a row it stays as it is
                self.write("trajectory", *self._trajectory(row))
        elif self._drawn is not None:
            self._drawn = None
            self.write("trajectory")
        self._choose_log(snapshot, view)
        self._look_closer(snapshot, view)

    def _trajectory(self, row: Row) -> list[Line]:
        left = self.size.width - self._shares.side
        seeds = self._snapshot.seeds if self._snapshot else ()
        return trajectory(
            row,
            grid_view.row_name(row, self.view, seeds),
            self.view.metric,
            self.grid.window,
            self._shares.trajectory,
            left,
            self.tuilab.glyphs,
        )

    def _choose_log(self, snapshot: Snapshot, view: CellView | None) -> None:
        chosen = log_of(snapshot, view) if view is not None else None
        if chosen != self._log_of and self.is_current:
            self._log_of = chosen
            if chosen is None:
                self._log_shown = None
                self.log_view.show(Tail())
            self.tuilab.follow_log(None if chosen is None else self._path(chosen))
        self._write_log_rule()

    def _show_log(self, tail: Tail) -> None:
        """Show a reading of the log that is wanted; one of another cell's may come late."""
        if self.is_current and self._log_of is not None and tail.path == self._path(self._log_of):
            self._log_shown = self._log_of
            self.log_view.show(tail)
            self._write_log_rule()

    def _path(self, log: tuple[str, int]) -> Path | None:
        root = self.tuilab.root
        return Layout(root).attempt_dir(*log) / LOG_FILE if root is not None else None

    def _write_log_rule(self) -> None:
        shown = self._log_shown  # until another is read, the one that is seen is named
        known = self.tuilab.poller.attempt(*shown) if shown else None
        self.log_view.nothing = why_no_log(self._snapshot, known)
        glyphs = self.tuilab.glyphs
        name = "log"
        if shown is not None:
            job, attempt = shown
            cut = f" last 256 KiB of {size(self.log_view.tail.size)}"
            name = f"log {job} attempt {attempt}{cut if self.log_view.tail.is_cut else ''}"
        follow = "F follow" if not self.log_view.is_following else "following"
        left = self.size.width - self._shares.side
        self.write("lower-rule", rule(name, f"{follow}  o open", left, glyphs.stroke))

    # Keys that change the view.

    def _arrange(self, snapshot: Snapshot) -> None:
        table = arrange(snapshot, self.view)
        self.view = table.view
        self.grid.show(table)

    @property
    def _metrics(self) -> Sequence[str]:
        return self._snapshot.metrics if self._snapshot else ()

    def _look_through(self, view: View) -> None:
        self.view = view
        if self._snapshot is not None:
            self._arrange(self._snapshot)
            self._share_room()
            self._refresh_words()

    def action_metric(self) -> None:
        """Show the next metric."""
        if self._snapshot is not None:
            self._look_through(grid_view.next_metric(self.view, self._snapshot.metrics))

    def action_seeds(self) -> None:
        """Stack the seeds, show their mean, or one of them."""
        seeds = self._snapshot.seeds if self._snapshot else ()
        if len(seeds) < 2:
            self.say("this experiment has only one seed")
            return
        self._look_through(grid_view.next_seed(self.view, seeds))

    def action_variants(self) -> None:
        """Show one line of each source, or all its variants."""
        if self._snapshot is None or not any(map(is_named, self._snapshot.sources)):
            self.say("this experiment has no variants; arms and [axes] make them")
            return
        self._look_through(replace(self.view, is_folded=not self.view.is_folded))

    def action_zoom(self) -> None:
        """Show cells narrower, or wide again."""
        self._look_through(grid_view.next_zoom(self.view))

    def action_tint(self) -> None:
        """Colour the values, or not."""
        self._is_tinted = not self._is_tinted
        self._take_theme(None)
        if self._is_tinted and self.view.tint is Tint.NONE:
            self.say("no colours: NO_COLOR is set")

    def action_order(self) -> None:
        """Sort rows another way."""
        self._look_through(grid_view.next_order(self.view))

    async def action_filter(self) -> None:
        """Type a filter."""
        if not self.query(Field):  # no picture has needed it yet
            await self.mount(Field(EXAMPLES, id="filter"), before=self.query_one(KeyBar))
        field = self.query_one(Field)
        self._filter_before = field.value
        field.open()

    @on(Field.Changed)
    def _filter_as_typed(self, event: Field.Changed) -> None:
        try:
            self._look_through(replace(self.view, filter=self._read_filter(event.value)))
        except FilterError:
            return

    @on(Field.Submitted)
    def _keep_filter(self, event: Field.Submitted) -> None:
        self.query_one(Field).close()
        try:
            self._read_filter(event.value)
        except FilterError as error:
            self.say(str(error))

    def _read_filter(self, text: str) -> Filter:
        labels = self._snapshot.labels if self._snapshot else {}
        sources = self._snapshot.sources if self._snapshot else ()
        names = [name_text(source, labels.get(source, source)) for source in sources]
        return parse_filter(text, self._metrics, names)

    # Keys that move and mark.

    def action_move(self, rows: int, columns: int) -> None:
        """Move the cursor by rows and columns."""
        self._anchor = None
        row, column = self.grid.cursor
        self.grid.move_to(row + rows, column + columns)
        self._refresh_words()

    def action_page(self, pages: int) -> None:
        """Move by a page of rows."""
        self.action_move(pages * max(1, self.grid.rows_shown - 1), 0)

    def action_end(self, end: str) -> None:
        """Go to the first or last row or epoch."""
        row, column = self.grid.cursor
        places = {
            "top": (0, column),
            "bottom": (len(self.grid.table.rows) - 1, column),
            "first": (row, 0),
            "last": (row, len(self.grid.table.epochs) - 1),
        }
        self._anchor = None
        self.grid.move_to(*places[end])
        self._refresh_words()

    def action_broken(self, step: int) -> None:
        """Go to the next or previous failed, lost or suspect cell."""
        place = next_broken(self.grid.table, *self.grid.cursor, step)
        if place is None:
            self.say("no job is failed, lost or suspect", "done")
            return
        self.grid.move_to(*place)
        self._refresh_words()

    def _set_marks(self, marked: frozenset[Cell]) -> None:
        self.grid.mark(marked)
        self._refresh_words()

    def action_mark(self) -> None:
        """Mark or unmark the cell under the cursor."""
        if self.grid.cell is not None:
            self._set_marks(self.grid.marked ^ {self.grid.cell})

    def action_mark_row(self) -> None:
        """Mark the row, or unmark it when all of it is marked."""
        row = self.grid.cursor[0]
        self._toggle((row, 0), (row, len(self.grid.table.epochs) - 1))

    def action_mark_column(self) -> None:
        """Mark the column, or unmark it when all of it is marked."""
        column = self.grid.cursor[1]
        self._toggle((0, column), (len(self.grid.table.rows) - 1, column))

    def _toggle(self, first: tuple[int, int], last: tuple[int, int]) -> None:
        """Mark all cells between two corners, or unmark them when all are marked."""
        cells, marked = grid_view.rectangle(self.grid.table, first, last), self.grid.marked
        self._set_marks(marked - cells if cells <= marked else marked | cells)

    def action_stretch(self, rows: int, columns: int) -> None:
        """Mark the rectangle between where shift was first used and the cursor."""
        anchor = self._anchor or self.grid.cursor
        row, column = self.grid.cursor
        self.grid.move_to(row + rows, column + columns)
        self._anchor = anchor
        self._set_marks(grid_view.rectangle(self.grid.table, anchor, self.grid.cursor))

    def action_back(self) -> None:
        """Leave the filter line as it was, take back marks, then the filter."""
        if isinstance(self.focused, Field):
            self.query_one(Field).value = self._filter_before
            self.query_one(Field).close()
        elif self.grid.marked:
            self._anchor = None
            self._set_marks(frozenset())
        elif self.view.filter:
            self.query_one(Field).value = ""
            self._look_through(replace(self.view, filter=parse_filter("")))

    # Keys that look closer.

    def action_open(self) -> None:
        """Open the cell under the cursor: at its results, or at its log where it has none."""
        from tuilab.tui.screens.cell import CellScreen

        if self.grid.cell is None:
            self.say(grid_view.why_no_cell(self.view))
            return
        self.app.push_screen(CellScreen(self.grid.cell, self.view))

    def action_open_log(self) -> None:
        """Read the cell's whole log in the person's pager."""
        if self._snapshot is None or self._log_of is None:
            self.say(self.log_view.nothing)
            return
        path = self._path(self._log_of)
        if path is not None and path.is_file():
            self.tuilab.open_outside(pager(), path)
        else:
            self.say("this attempt has written no log")

    @on(GridWidget.CursorMoved)
    @on(GridWidget.Fitted)
    def _cursor_moved(self) -> None:
        self._refresh_words()

    @on(GridWidget.CellOpened)
    def _cell_opened(self) -> None:
        self.action_open()

    def action_follow(self) -> None:
        """Follow the log, or stand still."""
        self.log_view.toggle_follow()
        self._write_log_rule()

    def action_copy(self) -> None:
        """Copy the number under the cursor with its interval, or what became of the cell."""
        if self._snapshot is None or (view := self.selected) is None:
            self.say(grid_view.why_no_cell(self.view))
            return
        self.tuilab.copy(copied_value(self._snapshot, view, self.view.metric))

    def action_copy_command(self) -> None:
        """Copy the command line for the cell: its log, or the table where there are no logs."""
        if self.grid.cell is None or self._snapshot is None:
            self.say(grid_view.why_no_cell(self.view))
            return
        text = cli_equivalent.of_cell(self._snapshot, self.chosen()[0])
        self.tuilab.copy(text, f"$ {text}")

    def on_key(self) -> None:
        """The greeting goes away with the first key."""
        greeting = self.query_one("#welcome")
        if greeting.display:
            greeting.display = False
            welcome.seen()
