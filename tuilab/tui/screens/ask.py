"""Asks for the words that a command line still needs."""

from __future__ import annotations

import shlex

from tuilab.grid.request import Request
from tuilab.store.snapshot import Snapshot
from tuilab.tui.messages import RequestMade
from tuilab.tui.present.shell_verbs import ShellVerb, words_of
from tuilab.tui.screens.dialog import Form


class AskDialog(Form):
    """Dismissed with what was typed."""

    def __init__(self, verb: ShellVerb, snapshot: Snapshot | None, cell: str) -> None:
        self._verb, self._snapshot, self._cell = verb, snapshot, cell
        what, _, example = verb.asks.partition(": ")
        self._what = what
        super().__init__(verb.title.capitalize(), {"add": example}, "Run")

    def judge(self) -> None:
        """Show the command line, or refuse what is no command."""
        typed = self.typed("add")
        if not typed:
            self.refuse([f"Type {self._what}."])
            return
        try:
            shlex.split(typed)
        except ValueError:
            self.refuse([f"Type {self._what}."], "a quotation mark is left open")
            return
        line = words_of(self._verb, self._snapshot, self._cell, typed) or ""
        self.offer(["It runs in this terminal."], Request(self._verb.verb), line, "")

    def do(self, offer: RequestMade) -> None:
        """Return what was typed."""
        self.dismiss(self.typed("add"))
