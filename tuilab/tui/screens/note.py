"""The note dialog: what people want to remember of cells, or of the whole experiment."""

from __future__ import annotations

import re
from collections.abc import Sequence

from textual.widgets import Input

from tuilab.grid.cells import Cell
from tuilab.grid.notes import NO_NOTE, read_tags
from tuilab.grid.request import Request
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present import cli_equivalent
from tuilab.tui.present.relaunch_text import name_cells
from tuilab.tui.screens.dialog import Form

_HINT = "Filter (#tag), table, report and JSON show it; the history keeps each change."
_NO_TAG = "{} stays a word of the note: tags go into the field below it."
_TAG = re.compile(r"(?<!\S)#[\w-]+")


class NoteDialog(Form):
    """Shows what is written already; what is saved is the difference."""

    def __init__(self, snapshot: Snapshot, cells: Sequence[Cell]) -> None:
        self._snapshot, self._cells = snapshot, tuple(cells)
        views = [view for view in snapshot.cells if view.cell in set(cells)]
        notes = {view.note for view in views} if cells else {snapshot.note}
        self._before = notes.pop() if len(notes) == 1 else NO_NOTE
        whom = name_cells(cells, snapshot.labels) if cells else snapshot.name
        fields = {"note": "what to remember", "tags": "such as: good check"}
        super().__init__(f"Note on {whom}", fields, "Save")

    def settle(self) -> None:
        """Begin with what is written already."""
        super().settle()
        self.query_one("#form-note", Input).value = self._before.text
        self.query_one("#form-tags", Input).value = " ".join(self._before.tags)

    def judge(self) -> None:
        """Offer what differs."""
        before, text = self._before, self.typed("note")
        try:
            tags = set(read_tags([self.typed("tags")]))
        except ValueError as error:
            self.refuse([_HINT], str(error))
            return
        on, off = sorted(tags - set(before.tags)), sorted(set(before.tags) - tags)
        options = {"text": text if text != before.text else None, "tags": on, "untag": off}
        inside = ", ".join(dict.fromkeys(_TAG.findall(text)))
        hint = _NO_TAG.format(inside) if inside else _HINT
        if options["text"] is None and not on and not off:
            self.refuse([hint])
            return
        everything = [view.cell for view in self._snapshot.cells]
        words = cli_equivalent.selectors(self._cells, everything)
        words += ["--text", text] if options["text"] is not None else []
        words += [word for tag in on for word in ("--tag", tag)]
        words += [word for tag in off for word in ("--untag", tag)]
        twin = cli_equivalent.command("note", self._snapshot.root, words)
        request = Request("note", cells=tuple(map(str, self._cells)), options=options)
        self.offer([hint], request, twin, "noted")
