"""The list of experiments: open one, or mark two and compare them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult

from tuilab.contract.foreign import clean_line
from tuilab.store.find_experiments import find_experiments
from tuilab.store.program_name import program
from tuilab.store.shelf import ARCHIVE, ShelfError, archive, delete, rename, why_not
from tuilab.store.status import lazy_status
from tuilab.store.volume import weigh
from tuilab.tui import keys
from tuilab.tui.messages import ExperimentChosen
from tuilab.tui.present.cli_equivalent import command, opening
from tuilab.tui.present.experiments_text import (
    Listed,
    ListOrder,
    experiment_line,
    heading,
    in_order,
    listed,
    name_room,
)
from tuilab.tui.present.styled_text import rule, wrap
from tuilab.tui.screens.frame import WINDOW
from tuilab.tui.screens.narrowed import Narrowed
from tuilab.tui.widgets.field import Field
from tuilab.tui.widgets.key_bar import KeyBar
from tuilab.tui.widgets.lines import Lines
from tuilab.tui.widgets.row_list import RowList

LOOK_SECONDS = 2.0


class ExperimentsScreen(Narrowed):
    """What there is below the directory in which tuilab was started."""

    BINDINGS = keys.EXPERIMENTS

    def __init__(self) -> None:
        super().__init__()
        self._entries: tuple[Listed, ...] = ()
        self._marked: list[Path] = []
        self._order = ListOrder.ACTIVITY

    def compose(self) -> ComposeResult:
        """Title, list, keys."""
        yield Lines(id="header")
        yield Lines(id="columns")
        yield RowList(id="experiments")
        yield Field("tiny   running   failed", id="filter")
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
        run = program()
        self.listed.nothing = (
            "no experiment has all these words"
            if self._entries
            else f"no experiments here. Try: {run} demo, or {run} published"
        )
        self._show()

    def on_words(self) -> None:
        """List what the words leave."""
        self._show()

    def on_screen_resize(self, columns: int, rows: int) -> None:
        """Lay out for the new width."""
        self._show()

    def _show(self) -> None:
        columns, glyphs = self.size.width, self.tuilab.glyphs
        count = f"{len(self._entries)} in {self.tuilab.under}"
        title = f"tuilab experiments  by {self._order}"
        title += f"  /{self.words}" if self.words else ""
        self.write("header", rule(title, count, columns, glyphs.stroke))
        names = name_room(self._entries, columns)
        self.write("columns", heading(columns - 2, names))
        now = self.tuilab.time()
        rows = [
            (
                str(entry.root),
                experiment_line(entry, now, columns - 2, names, entry.root in self._marked, glyphs),
            )
            for entry in in_order(self._entries, self._order, self.words)
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

    def action_sort(self) -> None:
        """Sort another way."""
        orders = list(ListOrder)
        self._order = orders[(orders.index(self._order) + 1) % len(orders)]
        self._show()

    def _on_shelf(self) -> Path | None:
        """Return the experiment under the cursor if it may be moved; say why not."""
        here = self.listed.here
        if here is None:
            self.say("no experiment here")
        elif why := why_not(Path(here)):
            self.say(why)
        elif self.tuilab.root is not None and Path(here).resolve() == self.tuilab.root.resolve():
            self.say("this one is open: open another one first, or do it from a shell")
        else:
            return Path(here)
        return None

    def action_archive(self) -> None:
        """Ask whether to put the experiment out of the list."""
        if (root := self._on_shelf()) is None:
            return
        twin = command("archive", root)
        to = root.parent / ARCHIVE
        lines = [f"It moves to {to}; this brings it back:", command("archive", to / root.name)]
        self._ask_for("archive", f"Archive {root.name}", lines, twin, lambda: archive(root))

    def action_delete(self) -> None:
        """Ask whether to delete the experiment, with what and how much is in it."""
        if (root := self._on_shelf()) is not None:
            self._weigh(root)

    @work(exclusive=True, group="shelf")
    async def _weigh(self, root: Path) -> None:
        weight = await asyncio.to_thread(weigh, root)
        entry = next((one for one in self._entries if one.root == root), None)
        cells = ", ".join(f"{n} {word}" for word, n in entry.counts.items()) if entry else ""
        lines = [str(weight), f"cells: {cells or 'none'}", "It cannot be undone."]
        twin = command("delete", root)
        self._ask_for("delete", f"Delete {root.name} for good", lines, twin, lambda: delete(root))

    def _ask_for(
        self, name: str, title: str, lines: list[str], twin: str, act: Callable[[], object]
    ) -> None:
        from tuilab.tui.screens.dialog import Question

        def answered(answer: str | None) -> None:
            if answer == name:
                self._put(act, twin)

        columns = min(WINDOW, self.size.width) - 6
        body = [((f" {row}", "text"),) for line in lines for row in wrap(line, columns)]
        answers = [(name, name.capitalize())]
        self.app.push_screen(Question(title, body, answers, [twin]), answered)

    @work(exclusive=True, group="shelf")
    async def _put(self, act: Callable[[], object], twin: str) -> None:
        try:
            await asyncio.to_thread(act)
        except (ShelfError, OSError) as error:
            self.say(clean_line(str(error), 300), "failed")
        else:
            self.say("done", "done", f"$ {twin}")
        if self.is_there:
            self._look()

    def action_rename(self) -> None:
        """Type another name."""
        from tuilab.tui.screens.rename import RenameDialog

        if (root := self._on_shelf()) is None:
            return

        def answered(name: str | None) -> None:
            if name is not None:
                self._put(lambda: rename(root, name), command("rename", root, [name]))

        self.app.push_screen(RenameDialog(root), answered)

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
            entries.append(listed(found.root, found.changed_at, lazy_status(found.root)))
        except Exception as error:  # a broken experiment must not hide the others
            why = str(error).replace(f"{found.root}/", "")
            entries.append(Listed(found.root, found.root.name, found.changed_at, problem=why))
    return tuple(entries)
