"""The plots screen: prepared figures with a cursor that walks their points."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import events, on, work
from textual.app import ComposeResult
from textual.message import Message

from tuilab.contract.foreign import clean_line
from tuilab.science.figures.kinds import KINDS, kinds_of
from tuilab.store.snapshot import Snapshot
from tuilab.tui import keys
from tuilab.tui.analysis_cache import in_thread
from tuilab.tui.present import cli_equivalent
from tuilab.tui.present.figures import cursor
from tuilab.tui.present.figures.look import Look, Spot
from tuilab.tui.present.figures.text import (
    kind_line,
    note_lines,
    note_rows,
    spot_line,
)
from tuilab.tui.present.styled_text import fit_line
from tuilab.tui.screens.analysis_screen import AnalysisScreen
from tuilab.tui.themes import ANSI16
from tuilab.tui.widgets.key_bar import KeyBar
from tuilab.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from tuilab.science.figures.model import Figure


class PlotView(Lines):
    """A figure with its cursor, or a sentence while there is none."""

    DEFAULT_CSS = "PlotView { height: 1fr; width: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._figure: Figure | None = None
        self._look = Look()
        self._words = ""

    class PointChosen(Message):
        """A point was clicked."""

        def __init__(self, spot: Spot, is_opened: bool) -> None:
            super().__init__()
            self.spot = spot
            self.is_opened = is_opened
            """Whether it was a double click."""

    def on_click(self, event: events.Click) -> None:
        """Choose the point that is nearest to the click."""
        from tuilab.tui.present.figures.plot import spot_near

        if self._figure is None:
            return
        spot = spot_near(self._figure, *self.size, self._look, (event.x, event.y))
        if spot is not None:
            self.post_message(self.PointChosen(spot, event.chain > 1))

    def draw(self, figure: Figure | None, look: Look, words: str = "") -> None:
        """Show a figure, or ``words`` where there is none."""
        self._figure, self._look, self._words = figure, look, words
        self._draw()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._draw()

    def _draw(self) -> None:
        columns, rows = self.size
        if self._figure is None or columns == 0 or rows == 0:
            self.show([fit_line(((f" {self._words}", "muted"),), columns)])
            return
        from tuilab.tui.present.figures.plot import figure_pieces

        self.show(figure_pieces(self._figure, columns, rows, self._look))


class PlotsScreen(AnalysisScreen):
    """One figure at a time; the cell under its cursor is the one on the grid."""

    CSS_PATH = "plots.tcss"
    BINDINGS = keys.PLOTS

    def __init__(self) -> None:
        super().__init__()
        self.kind = KINDS[0]
        self.cell = ""
        """Name of the cell under the cursor; it stays from figure to figure."""
        self.spot = Spot()
        self.figure: Figure | None = None
        self._is_awaited = False
        """Whether another figure is on its way: keys that move would move in the wrong one."""
        self._has_focus = False
        self._with_intervals = False

    def compose(self) -> ComposeResult:
        """Header, kinds, figure, point, caption, keys."""
        yield Lines(id="header")
        yield Lines(id="kinds")
        yield PlotView(id="plot")
        yield Lines(id="spot")
        yield Lines(id="note")
        yield KeyBar(keys.PLOTS, self.tuilab.glyphs)

    def settle(self) -> None:
        """Begin at the cell that is selected on the grid."""
        home = self.grid_below()
        if home is not None and home.grid.cell is not None:
            self.cell = f"{home.grid.cell.source}@{home.grid.cell.epoch}"
        self.show_numbers()

    def on_state(self, snapshot: Snapshot) -> None:
        """Begin with the first cell; a figure that waited for numbers is prepared."""
        super().on_state(snapshot)
        if not self.cell and snapshot.sources and snapshot.epochs:
            self.cell = f"{snapshot.sources[0]}@{snapshot.epochs[0]}"
        if self.figure is None and self.study is not None:
            self._prepare()

    def on_study(self) -> None:
        """Draw the new numbers."""
        if self.study is None:
            self.show_numbers()
        else:
            self._prepare()

    # The figure.

    @property
    def is_busy(self) -> bool:
        """Whether numbers or another figure are on their way."""
        return super().is_busy or self._is_awaited

    @property
    def source(self) -> str:
        """Source under the cursor."""
        return cursor.source_of(self.cell)

    def _prepare(self) -> None:
        """Show the figure of this kind; one that is not prepared yet is prepared in a thread."""
        if self.study is None:
            self.show_numbers()
            return
        ready = self.analyses.figure(self.kind, self.source)
        if ready is not None:
            self._take(ready)
        else:
            self._is_awaited = True
            self._wait_for_figure()

    @work(exclusive=True, group="figure")
    async def _wait_for_figure(self) -> None:
        kind, source = self.kind, self.source
        try:
            figure = await asyncio.wrap_future(self.analyses.prepared(kind, source))
        except Exception as error:  # a figure that fails leaves the others usable
            self.figure, self.trouble = None, clean_line(str(error), 300)
            self._is_awaited = False
            if self.is_there:
                self.show_numbers()
            return
        if self.is_there and (kind, source) == (self.kind, self.source):
            self._take(figure)

    def _take(self, figure: Figure) -> None:
        """Show a figure; the cursor stays on its cell."""
        self.figure, self.trouble, self._is_awaited = figure, "", False
        found = cursor.spot_of(figure, self.cell)
        if found is not None and self.kind == "heatmap":
            columns = len(figure.panels[0].matrix.columns) if figure.panels[0].matrix else 1
            found = Spot(found.panel, found.row, min(self.spot.column, columns - 1))
        self.spot = found or Spot()
        self.show_numbers()

    @property
    def look(self) -> Look:
        """How the figure is drawn now."""
        is_empty = self.figure is None or next(cursor.stops(self.figure), None) is None
        return Look(
            focus=self.source if self._has_focus and self.kind != "heatmap" else None,
            cursor=None if is_empty else self.spot,
            is_ascii=self.tuilab.glyphs.is_ascii,
            tones=self.tuilab.glyphs.tones if self.tuilab.palette.name == ANSI16 else "",
            with_intervals=self._with_intervals,
        )

    def show_numbers(self) -> None:
        """Draw the figure, and what the point under its cursor says."""
        columns, glyphs, look = self.size.width, self.tuilab.glyphs, self.look
        title = self.figure.title if self.figure is not None else ""
        kinds = kind_line(self.kind, title, columns, glyphs, self._kinds)
        self.write("kinds", kinds)
        self.query_one(PlotView).draw(self.figure, look, self.waiting_words())
        spot, note = self.query_one("#spot", Lines), self.query_one("#note", Lines)
        snapshot = self.tuilab.snapshot
        if self.figure is None or snapshot is None:
            spot.show([])
            note.show([])
            return
        if look.cursor is not None:
            line = spot_line(self.figure, look.cursor, snapshot, look)
            spot.show([fit_line(line, columns, glyphs.ellipsis)])
        rows = note_rows(self.figure.note, columns, self.size.height)
        note.styles.height = rows
        note.show(note_lines(self.figure.note, columns, rows, glyphs))

    # Mouse.

    @on(Lines.Clicked, "#kinds")
    def _kind_clicked(self, event: Lines.Clicked) -> None:
        if (kind := event.text.strip("[]")) in self._kinds:
            self.kind = kind
            self._prepare()

    @on(PlotView.PointChosen)
    def _point_clicked(self, event: PlotView.PointChosen) -> None:
        if self._can_move():
            self._has_focus = True
            self._stand(event.spot)
            if event.is_opened:
                self.action_open()

    # Keys.

    def action_kind(self, step: int) -> None:
        """Show the next kind of figure."""
        kinds = self._kinds
        self.kind = kinds[(kinds.index(self.kind) + step) % len(kinds)]
        self._prepare()

    @property
    def _kinds(self) -> tuple[str, ...]:
        snapshot = self.tuilab.snapshot
        return kinds_of(snapshot.sources if snapshot else ())

    def action_along(self, step: int) -> None:
        """Move along the series."""
        if self._can_move():
            self._stand(cursor.along(self._seen, self.spot, step))

    def action_between(self, step: int) -> None:
        """Move to another series, which stands out from now on."""
        if self._can_move():
            self._has_focus = True
            self._stand(cursor.between(self._seen, self.spot, step))

    @property
    def _seen(self) -> Figure:
        if self.figure is None:
            raise RuntimeError("there is no figure yet")
        return self.figure

    def _can_move(self) -> bool:
        return self.figure is not None and not self._is_awaited and self.look.cursor is not None

    def _stand(self, spot: Spot) -> None:
        self.spot = spot
        self.cell = cursor.cell_at(self._seen, spot).partition("#")[0]
        self.show_numbers()

    def action_source(self, step: int) -> None:
        """Go to the source before or after in the plan's order."""
        snapshot = self.tuilab.snapshot
        if snapshot is None or self.source not in snapshot.sources:
            return
        place = snapshot.sources.index(self.source) + step
        source = snapshot.sources[place % len(snapshot.sources)]
        self.cell = f"{source}@{self.cell.rpartition('@')[2]}"
        self._has_focus = True
        self._prepare()

    def action_dim(self) -> None:
        """Dim the other series, or show all alike."""
        self._has_focus = not self._has_focus
        self.show_numbers()

    def action_intervals(self) -> None:
        """Draw 95% intervals, or leave them out."""
        self._with_intervals = not self._with_intervals
        self.show_numbers()
        if self._with_intervals and self.kind == "heatmap":
            self.say("a heatmap has no room for intervals")

    def action_open(self) -> None:
        """Go back to the grid, to the cell under the cursor."""
        if self.figure is None or not self._can_move():
            self.say("no point here")
            return
        name = cursor.cell_at(self.figure, self.spot)
        seed = self.seed_on_grid(self.source)
        if (cell := cursor.cell_of(name, seed)) is not None:
            self.show_on_grid(cell)

    def action_export(self) -> None:
        """Write this figure as PNG and PDF, with the rows that it draws."""
        if self.figure is None or self._is_awaited or self.tuilab.root is None:
            self.say("no figure yet")
            return
        source = self.source if self.kind == "heatmap" else ""
        words = [self.kind, *(["--source", source] if source else [])]
        if self.tuilab.export_figure is None:
            command = cli_equivalent.command("plot", self.tuilab.root, [*words, "--out", "figures"])
            self.say("run this in a shell", "warn", f"$ {command}")
            return
        self.say("writing the figure", "running")
        self.run_worker(self._export(self.figure, words), exclusive=True, group="export")

    async def _export(self, figure: Figure, words: list[str]) -> None:
        export, root = self.tuilab.export_figure, self.tuilab.root
        if export is None or root is None:
            return
        try:
            paths = await asyncio.wrap_future(in_thread(lambda: export(root, figure)))
        except Exception as error:  # a full disk or a read-only place is told to the person
            self.say(f"could not write the figure: {clean_line(str(error), 200)}", "failed")
            return
        where = ["--out", str(paths[0].parent)] if paths else []
        command = cli_equivalent.command("plot", root, [*words, *where])
        names = [cli_equivalent.shown_path(path) for path in paths[:1]] + [
            path.suffix for path in paths[1:]
        ]
        self.say(f"wrote {', '.join(names) or 'nothing'}", "done", f"$ {command}")
