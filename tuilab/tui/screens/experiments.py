"""The list of experiments: open one, or mark two and compare them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult

from tuilab.store.experiment import find_experiments
from tuilab.store.status import status
from tuilab.tui import keys
from tuilab.tui.messages import ExperimentChosen
from tuilab.tui.present.cli_equivalent import opening
from tuilab.tui.present.experiments_text import Listed, experiment_line, heading, listed
from tuilab.tui.present.styled_text import rule
from tuilab.tui.screens.frame import Frame
from tuilab.tui.widgets.key_bar import KeyBar
from tuilab.tui.widgets.lines import Lines
from tuilab.tui.widgets.row_list import RowList

LOOK_SECONDS = 2.0


class ExperimentsScreen(Frame):
    """What there is below the directory in which tuilab was started."""

    BINDINGS = keys.EXPERIMENTS

    def __init__(self) -> None:
        super().__init__()
        self._entries: tuple[Listed, ...] = ()
        self._marked: list[Path] = []

    def compose(self) -> ComposeResult:
        """Title, list, keys."""
        yield Lines(id="header")
        yield Lines(id="columns")
        yield RowList(id="experiments")
        yield KeyBar(keys.EXPERIMENTS, self.tuilab.glyphs)

    def settle(self) -> None:
        """Look now, and again now and then."""
        self.listed.nothing = "searching"
        self.look()
        if self.tuilab.is_live:
            self.set_interval(LOOK_SECONDS, self.look)

    def look(self) -> None:
        """Read all experiments, off the event loop."""
        if self.is_current:
            self._look()

    @work(exclusive=True, group="list")
    async def _look(self) -> None:
        self._entries = await asyncio.to_thread(read_all, self.tuilab.under)
        if not self.is_there:
            return
        self.listed.nothing = f"no experiments in {self.tuilab.under}; try: tuilab demo"
        self._show()

    def on_screen_resize(self, columns: int, rows: int) -> None:
        """Lay out for the new width."""
        self._show()

    def _show(self) -> None:
        columns, glyphs = self.size.width, self.tuilab.glyphs
        count = f"{len(self._entries)} in {self.tuilab.under}"
        self.write("header", rule("tuilab experiments", count, columns, glyphs.stroke))
        self.write("columns", heading(columns - 2))
        now = self.tuilab.time()
        rows = [
            (
                str(entry.root),
                experiment_line(entry, now, columns - 2, entry.root in self._marked, glyphs),
            )
            for entry in self._entries
        ]
        self.listed.show(rows)

    def action_open(self) -> None:
        """Open the experiment under the cursor."""
        here = self.listed.here
        entry = next((e for e in self._entries if str(e.root) == here), None)
        if entry is None:
            self.say("no experiment here")
        elif entry.problem:
            self.say(entry.problem)
        else:
            self.app.post_message(ExperimentChosen(entry.root))

    @on(RowList.Opened)
    def _opened(self) -> None:
        self.action_open()

    def action_mark(self) -> None:
        """Mark the experiment under the cursor; at most two are marked."""
        here = self.listed.here
        if here is None:
            return
        root = Path(here)
        if root in self._marked:
            self._marked.remove(root)
        else:
            self._marked = [*self._marked, root][-2:]
        self._show()

    def action_copy(self) -> None:
        """Copy the command that opens the experiment under the cursor."""
        if (here := self.listed.here) is None:
            self.say("no experiment here")
            return
        text = opening(Path(here))
        self.tuilab.copy(text, f"$ {text}")

    def action_compare(self) -> None:
        """Compare the two that are marked."""
        from tuilab.tui.screens.compare import CompareScreen

        if len(self._marked) != 2:
            self.say("mark two experiments with space, then press c")
            return
        self.app.push_screen(CompareScreen(self._marked[0], self._marked[1]))


def read_all(under: Path) -> tuple[Listed, ...]:
    """Read every experiment below a directory; one that cannot be read says why."""
    entries = []
    for found in find_experiments(under):
        try:
            entries.append(listed(found.root, found.changed_at, status(found.root)))
        except Exception as error:  # a broken experiment must not hide the others
            why = str(error).replace(f"{found.root}/", "")
            entries.append(Listed(found.root, found.root.name, found.changed_at, problem=why))
    return tuple(entries)
