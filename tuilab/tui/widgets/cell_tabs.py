"""The tab line and the panes of the cell screen that are lists or plots."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from tuilab.tui.attempt_files import Series
from tuilab.tui.present import completions_text
from tuilab.tui.present.cell_room import Room
from tuilab.tui.present.completions_text import Asked, Beside, Choice, Completion, Shelf
from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.small_plot import charted, small_plot
from tuilab.tui.present.styled_text import Line, Piece, fit, rule, tabs
from tuilab.tui.widgets.lines import Lines
from tuilab.tui.widgets.row_list import RowList

TABS = ("results", "log", "metrics", "parameters", "files", "completions")


def tab_line(here: str, tail: str, columns: int, glyphs: Glyphs) -> Line:
    """Write the names of the tabs as a rule; the open one stands out."""
    pieces: list[Piece] = [(glyphs.stroke * 2, "rule"), *tabs(TABS, here)]
    room = columns - sum(len(text) for text, _ in pieces)
    end = f" {fit(tail, min(len(tail), room - 3), glyphs.ellipsis)} " if tail and room > 8 else ""
    stroke = (" " + glyphs.stroke * max(0, room - len(end) - 1), "rule")
    return (*pieces, stroke, (end, "muted"))


class PlotPane(Lines):
    """Small plots of what an attempt reported, one above the other."""

    def __init__(self, glyphs: Glyphs, *, id: str) -> None:
        super().__init__(id=id)
        self._glyphs = glyphs
        self._series: Series = {}

    def plot(self, series: Series) -> None:
        """Take other numbers."""
        self._series = series
        self._draw()

    def on_resize(self) -> None:
        """Draw for the new size; a pane that was hidden has none before."""
        self._draw()

    def _draw(self) -> None:
        """Draw as many series as fit, each at least six rows high."""
        (columns, rows), series = self.size, self._series
        names = charted(series)
        count = max(1, min(len(names), rows // 6))
        if not names:
            text = " no metrics here: the trainings report them, h and l change the stage"
            self.show([((text, "muted"),)])
            return
        lines: list[Line] = []
        for place, name in enumerate(names[:count]):
            height = rows * (place + 1) // count - rows * place // count
            lines += small_plot(name, series[name], columns, height, self._glyphs)
        hidden = len(names) - count
        if hidden and lines:
            lines[-1] = ((f" and {hidden} more: {', '.join(names[count:])}", "muted"),)
        self.show(lines)


class ResultsPane(Horizontal):
    """What the cell measured; on a large terminal with its row below and completions beside."""

    DEFAULT_CSS = """
    ResultsPane #results-list, ResultsPane #results-row { width: 100%; }
    """

    def compose(self) -> ComposeResult:
        """List and row at the left, the rest at the right."""
        with Vertical(id="results-main"):
            yield RowList(id="results-list")
            yield Lines(id="results-row")
        yield Lines(id="results-side")

    def show(
        self, lines: Sequence[Line], room: Room, below: Sequence[Line], beside: Sequence[Line]
    ) -> None:
        """Show finished lines in the room that was shared for them."""
        listed, row = self.query_one(RowList), self.query_one("#results-row", Lines)
        side = self.query_one("#results-side", Lines)
        self.query_one("#results-main").styles.width = room.main
        row.display, side.display = bool(below), bool(room.side)
        row.styles.height, side.styles.height = len(below), room.rows
        row.show(below)
        side.show(beside)
        is_first = listed.here is None
        listed.show([(str(place), line) for place, line in enumerate(lines)])
        if is_first:
            listed.go(1)  # the first line is the head of the table


class CompletionsPane(Vertical):
    """A list of completions above the text of the one under the cursor."""

    DEFAULT_CSS = """
    CompletionsPane { height: 1fr; }
    CompletionsPane #completion-list { height: 1fr; }
    CompletionsPane #completion-rule { height: 1; }
    CompletionsPane #completion-text { height: 45%; max-height: 16; }
    """

    def __init__(self, glyphs: Glyphs, *, id: str) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.choice = Choice()
        self._shelf = Shelf()
        self._places: list[int] = []
        self._asked = Asked()
        self._beside: Beside | None = None

    def compose(self) -> ComposeResult:
        """List, rule, text."""
        yield RowList(id="completion-list")
        yield Lines(id="completion-rule")
        yield Lines(id="completion-text")

    @property
    def listed(self) -> RowList:
        """The list."""
        return self.query_one("#completion-list", RowList)

    def take(self, rows: Sequence[Completion], asked: Asked, why: str = "") -> None:
        """Show other completions; ``why`` says why there are none."""
        self._shelf, self._asked = Shelf(rows), asked
        self.listed.nothing = why or "no completion matches"
        self.look_through(self.choice)

    def put_beside(self, beside: Beside | None) -> None:
        """Show the answers of another epoch beside those of this one; None: alone."""
        self._beside = beside
        self.show_text()

    def look_through(self, choice: Choice) -> None:
        """Show other ones of the same completions."""
        self.choice = choice
        self._places = places = self._shelf.chosen(choice)
        rows, columns = self._shelf.rows, max(20, self.size.width - 2)

        def write(number: int) -> Line:
            row = rows[places[number]]
            return completions_text.list_line(row, self._asked, columns, self.glyphs)

        self.listed.show_many([str(place) for place in places], write)
        self.show_text()

    def again(self, step: int) -> None:
        """Go to the next or previous completion of those found, round the ends."""
        if self._places:
            self.listed.go((self.listed.place + step) % len(self._places))

    def show_text(self) -> None:
        """Show the completion under the cursor in full."""
        columns = self.size.width or 80
        rows, labels = self._shelf.rows, self._asked.labels
        told = completions_text.words(rows, self._places, self.choice, labels)
        tail = "f persona  b question  i hits  d epochs"
        line = rule(told, tail, columns, self.glyphs.stroke)
        self.query_one("#completion-rule", Lines).show([line])
        here = self.listed.here
        text = self.query_one("#completion-text", Lines)
        if here is None:
            text.show([])
            return
        high = max(2, text.size.height or 8)
        row = rows[int(here)]
        text.show(completions_text.side_by_side(row, self._beside, self._asked, columns, high))

    def on_resize(self) -> None:
        """Fit the lines to the new width."""
        self.look_through(self.choice)

    @property
    def text_here(self) -> str:
        """The completion under the cursor, or ""."""
        return str((self.here or {}).get("text", ""))

    @property
    def whole(self) -> str:
        """It, and below it what stands beside it, each under the epoch that it is of."""
        row, beside = self.here, self._beside
        other = beside.same(row) if row is not None and beside is not None else None
        if beside is None or other is None:
            return self.text_here
        return f"{beside.here}\n{self.text_here}\n\n{beside.name}\n{other.get('text', '')}"

    @property
    def here(self) -> Completion | None:
        """The completion under the cursor."""
        place = self.listed.here
        return None if place is None else self._shelf.rows[int(place)]

    @property
    def choices(self) -> Sequence[Completion]:
        """All completions that were read."""
        return self._shelf.rows

    def on_row_list_moved(self) -> None:
        """Another completion is under the cursor."""
        self.show_text()
