"""The headline table screen: one row per source, sorted, explained and copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult

from tuilab.grid.cells import Cell
from tuilab.grid.text import count_of
from tuilab.tui import keys
from tuilab.tui.present import cli_equivalent, table_text
from tuilab.tui.present.cell_room import own_row_lines
from tuilab.tui.present.grid_table import View
from tuilab.tui.present.styled_text import Line, fit_line, rule
from tuilab.tui.screens.analysis_screen import AnalysisScreen
from tuilab.tui.widgets.key_bar import KeyBar
from tuilab.tui.widgets.lines import Lines
from tuilab.tui.widgets.row_list import RowList

if TYPE_CHECKING:
    from tuilab.science.headline_rows import HeadlineRow


class TableScreen(AnalysisScreen):
    """The numbers of every source, with what each rests on."""

    CSS_PATH = "table.tcss"
    BINDINGS = keys.TABLE

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[HeadlineRow, ...] = ()
        """In the plan's order."""
        self._titles: tuple[str, ...] = ()
        self._cells: dict[str, Sequence[str]] = {}
        """Source -> what its cells say."""
        self._caption = ""
        self._here = 1
        self._first = 1
        self._order: tuple[str, bool | None] = ("Source", None)
        """Column and direction (falling) of the order; None = as planned."""
        self._is_full = False
        self._detail_rows = 0

    def compose(self) -> ComposeResult:
        """Header, table, what the cell rests on, the whole row, caption, keys."""
        yield Lines(id="header")
        yield Lines(id="table-rule")
        yield Lines(id="titles")
        yield RowList(id="table")
        yield Lines(id="detail-rule")
        yield Lines(id="about")
        yield Lines(id="detail")
        yield Lines(id="caption")
        yield KeyBar(keys.TABLE, self.tuilab.glyphs)

    def settle(self) -> None:
        """Say what is awaited, or show what is there."""
        self.on_study()

    def on_study(self) -> None:
        """Take new numbers; the cursor stays on its source."""
        if self.study is not None:
            from tuilab.science.headline_rows import headline, headline_text
            from tuilab.study.headline_table import caption

            self._rows = headline(self.study.analysis)
            before = self._titles[self._here] if self._titles else ""
            self._titles, cells = headline_text(self._rows, full=self._is_full)
            if before in self._titles:
                self._here = self._titles.index(before)
            self._cells = {row.source: one for row, one in zip(self._rows, cells, strict=True)}
            self._caption = caption(self.study, self._rows)
            self._here = min(self._here, len(self._titles) - 1)
        self.show_numbers()

    @property
    def _shown(self) -> list[HeadlineRow]:
        return table_text.sorted_rows(self._rows, *self._order)

    def show_numbers(self) -> None:
        """Write the table as far as it fits, and what the cell under the cursor rests on."""
        columns, glyphs = self.size.width, self.tuilab.glyphs
        listed = self.listed
        listed.nothing = self.waiting_words()
        rule_line = self.query_one("#table-rule", Lines)
        if not self._titles or not self._rows:
            rule_line.show([rule("headline table", "", columns, glyphs.stroke)])
            listed.show([])
            return
        view = table_text.measure(
            self._titles, list(self._cells.values()), columns - 2, self._here, self._first
        )
        self._first = view.shown.start
        seen = f"columns {view.shown.start} to {view.shown.stop - 1} of {len(self._titles) - 1}"
        is_cut = len(view.shown) < len(self._titles) - 1
        tail = seen if is_cut else ""
        rule_line.show([rule("headline table", tail, columns, glyphs.stroke)])
        titles = table_text.title_line(self._titles, view, self._order, glyphs)
        self.write("titles", fit_line(((" ", ""), *titles), columns))
        here = self._source
        listed.show(
            [
                (
                    row.source,
                    table_text.row_line(self._cells[row.source], view, row.source == here, glyphs),
                )
                for row in self._shown
            ]
        )
        self._share_room()
        self._show_row()

    @property
    def _source(self) -> str | None:
        """Source under the cursor; the first one before the list is filled."""
        here = self.listed.here
        if here in self._cells:
            return here
        return self._shown[0].source if self._rows else None

    def _share_room(self) -> None:
        """The table takes what it needs, the whole row what is left."""
        glyphs = self.tuilab.glyphs
        about = self._about()
        self.query_one("#about").styles.height = len(about)
        self.write("about", *about)
        height = self.size.height
        wanted = height // 4 + 1 - len(about) if height >= 24 else 1
        caption = table_text.caption_lines(self._caption, self.size.width, wanted, glyphs)
        self.write("caption", *caption)
        self.query_one("#caption").styles.height = len(caption)
        rows = self.size.height - 5 - len(about) - len(caption)
        table = max(3, min(len(self._rows), rows - 4))
        listed, detail = self.query_one("#table"), self.query_one("#detail")
        listed.styles.height = table
        self._detail_rows = max(0, rows - table)
        detail.styles.height = self._detail_rows
        detail.display = rows > table

    def _show_row(self) -> None:
        """List the whole row under the cursor."""
        row = self._row
        if row is None:
            return
        columns, glyphs = self.size.width, self.tuilab.glyphs
        cells = self._cells[row.source]
        head = rule(row.label, "", columns, glyphs.stroke)
        self.write("detail-rule", head)
        detail = table_text.detail_lines(self._titles, cells, columns, self._here, glyphs)
        self.write("detail", *detail, *self._bars(row, self._detail_rows - len(detail)))

    def _bars(self, row: HeadlineRow, rows: int) -> list[Line]:
        """Draw the source's row of the grid where the terminal has room for it."""
        snapshot, seed = self.tuilab.snapshot, self.seed_on_grid(row.source)
        if snapshot is None or row.source not in snapshot.sources or seed not in snapshot.seeds:
            return []
        epoch = row.peak_epoch if row.peak_epoch in snapshot.epochs else snapshot.epochs[0]
        cell = Cell(row.source, epoch, seed)
        return own_row_lines(snapshot, cell, View(), self.size.width, rows, self.tuilab.glyphs)

    def _about(self) -> list[Line]:
        """What the cell under the cursor rests on, or why it is n/a."""
        row, snapshot = self._row, self.tuilab.snapshot
        if row is None or snapshot is None:
            return [()]
        title, text = self._titles[self._here], self._cells[row.source][self._here]
        words = table_text.explained(row, title, text, snapshot)
        return table_text.about_lines(title, text, words, self.size.width, self.tuilab.glyphs)

    @property
    def _row(self) -> HeadlineRow | None:
        source = self._source
        return next((row for row in self._rows if row.source == source), None)

    @on(RowList.Moved)
    def _moved(self) -> None:
        self.show_numbers()

    @on(Lines.Clicked, "#titles")
    def _title_clicked(self, event: Lines.Clicked) -> None:
        """A click on a column's head sorts by it."""
        named = [title for title in self._titles if title in event.text]
        if named:
            self._here = self._titles.index(max(named, key=len))
            self.action_sort()

    # Keys.

    def action_column(self, step: int) -> None:
        """Move the cursor by columns; those out of sight come into it."""
        self._here = max(0, min(len(self._titles) - 1, self._here + step))
        self.show_numbers()

    def action_sort(self) -> None:
        """Sort by this column: falling, rising, as planned."""
        if not self._titles:
            self.say("no table yet")
            return
        title = self._titles[self._here]
        turns: tuple[bool | None, ...] = (True, False, None)
        before = self._order[1] if self._order[0] == title else None
        self._order = (title, turns[(turns.index(before) + 1) % 3])
        self.show_numbers()
        words = {True: "highest first", False: "lowest first", None: "off, in the config's order"}
        self.say(f"sort by {title}: {words[self._order[1]]}", "done")

    def action_full(self) -> None:
        """Show more columns, or fewer."""
        self._is_full = not self._is_full
        self.on_study()

    def action_copy(self) -> None:
        """Copy the table as Markdown (OSC 52) as it is sorted, with its caption."""
        if not self._titles or self.tuilab.root is None:
            self.say("no table yet")
            return
        from tuilab.study.table_formats import as_markdown

        rows = [self._cells[row.source] for row in self._shown]
        self.app.copy_to_clipboard(f"{as_markdown(self._titles, rows)}\n\n{self._caption}\n")
        full = ["--full"] if self._is_full else []
        command = cli_equivalent.command("table", self.tuilab.root, ["--format", "md", *full])
        self.say(f"copied {count_of(len(rows), 'row')} as Markdown", "done", f"$ {command}")

    @on(RowList.Opened)
    def action_open(self) -> None:
        """Go to the source's row on the grid."""
        row, snapshot = self._row, self.tuilab.snapshot
        if row is None or snapshot is None or not snapshot.epochs:
            self.say("no source here")
            return
        epoch = row.peak_epoch if "Peak" in self._titles[self._here] else None
        if epoch is None:
            epoch = snapshot.epochs[-1 if "Final" in self._titles[self._here] else 0]
        self.show_on_grid(Cell(row.source, epoch, self.seed_on_grid(row.source)))
