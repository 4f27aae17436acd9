"""The grow dialog: sources, epochs, seeds and variants to add, and what that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from tuilab.grid.grow_config import GrowError, More, variants_from
from tuilab.grid.growth import growth_lines
from tuilab.grid.lines import persona_of
from tuilab.grid.request import Request
from tuilab.grid.text import count_of
from tuilab.store.growth import Proposal, propose
from tuilab.store.layout import Layout
from tuilab.store.plan_file import load_plan
from tuilab.store.read_state import read_state
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.cli_equivalent import command
from tuilab.tui.screens.dialog import Form

_MOST_SUGGESTED = 30
"""Characters of suggestions."""
_FIELDS = ("sources", "epochs", "seeds", "variants")
_HINT = "Finished cells keep their state and numbers."


class GrowDialog(Form):
    """Nothing is written before Grow, and Grow does what is shown."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._root = snapshot.root
        fields = {name: suggestion(snapshot, name) for name in _FIELDS}
        super().__init__("Grow the grid", fields, "Grow")

    def judge(self) -> None:
        """Plan the larger grid, off the event loop."""
        self.workers.cancel_group(self, "plan")
        try:
            more = more_of({name: self.typed(name) for name in _FIELDS})
        except GrowError as error:
            self.refuse([_HINT], str(error))
            return
        self.refuse(["planning"] if more else [_HINT])
        if more:
            # A coroutine that is overtaken before it began would be reported as never awaited.
            begin: Any = partial(self._plan, more)  # Textual takes one, and its types do not say so
            self.run_worker(begin, group="plan", exclusive=True)

    async def _plan(self, more: More) -> None:
        try:
            found = await asyncio.to_thread(self._proposed, more)
        except Exception as error:  # a config, a plan or an edit that cannot be: told as it is
            if self.is_there:
                self.refuse([_HINT], str(error).replace(f"{self._root}/", ""))
            return
        if self.is_there:
            self._show(found, more)

    def _proposed(self, more: More) -> Proposal:
        root = self._root
        return propose(Layout(root), load_plan(root), lambda plan: read_state(root, plan), more)

    def _show(self, found: Proposal, more: More) -> None:
        cells = found.growth.new
        lines = growth_lines(found.growth, f"`{command('gc', self._root, ['--unplanned'])}`")
        request = Request("grow", cells=tuple(map(str, cells)), options=more.as_json())
        said = f"asked for {count_of(len(cells), 'new cell')}"
        self.offer(lines, request, command("grow", self._root, more.as_words()), said)


def suggestion(snapshot: Snapshot, name: str) -> str:
    """Say what could be added that is not there: short enough for a frame of 80 columns."""
    free: list[str]
    if name == "sources":
        taken = {persona_of(line) for line in snapshot.sources}
        free = [key for key in snapshot.labels if persona_of(key) not in taken]
    elif name == "variants":
        free = ["B0", "marker.lr=1e-5"]
    elif name == "epochs":
        free = [str(epoch) for epoch in range(1, 100) if epoch not in snapshot.epochs]
    else:
        free = [str(max(snapshot.seeds) + step) for step in (1, 2)]
    words = " ".join(free[:2])
    return f"to add, such as {words}" if words and len(words) <= _MOST_SUGGESTED else "to add"


def more_of(typed: Mapping[str, str]) -> More:
    """Read what was typed; GrowError names what is no number."""
    words = {name: text.replace(",", " ").split() for name, text in typed.items()}
    words["variants"] = typed["variants"].replace(", ", " ").split()
    for name in ("epochs", "seeds"):
        if wrong := [word for word in words[name] if not word.isdecimal()]:
            raise GrowError(f"{name}: {wrong[0]!r} is not a whole number of 0 or more")
    numbers = (tuple(map(int, words[name])) for name in ("epochs", "seeds"))
    epochs, seeds = numbers
    made = variants_from(words["variants"])
    return replace(made, sources=tuple(words["sources"]), epochs=epochs, seeds=seeds)
