"""The grow dialog: sources, epochs and seeds to add, and what that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from tuilab.grid.grow_config import GrowError, More
from tuilab.grid.growth import growth_lines
from tuilab.grid.request import Request
from tuilab.grid.text import count_of
from tuilab.store.growth import Proposal, propose
from tuilab.store.layout import Layout
from tuilab.store.plan_file import load_plan
from tuilab.store.snapshot import Snapshot
from tuilab.store.state import read_state
from tuilab.tui.present.cli_equivalent import command
from tuilab.tui.screens.dialog import Form

_HINT = "Finished cells keep their state and numbers."


class GrowDialog(Form):
    """Nothing is written before Grow, and Grow does what is shown."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._root = snapshot.root
        free = [key for key in snapshot.labels if key not in snapshot.sources][:4]
        fields = {
            "sources": f"to add{', such as ' + ' '.join(free) if free else ''}",
            "epochs": "to add, such as 1 3",
            "seeds": "to add, such as 43 44",
        }
        super().__init__("Grow the grid", fields, "Grow")

    def judge(self) -> None:
        """Plan the larger grid, off the event loop."""
        self.workers.cancel_group(self, "plan")
        try:
            more = more_of({name: self.typed(name) for name in ("sources", "epochs", "seeds")})
        except GrowError as error:
            self.refuse([_HINT], str(error))
            return
        self.refuse(["planning"] if more else [_HINT])
        if more:
            self.run_worker(self._plan(more), group="plan", exclusive=True)

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
        words = [word for name, values in more.as_json().items() for word in (f"--{name}", *values)]
        said = f"asked for {count_of(len(cells), 'new cell')}"
        self.offer(lines, request, command("grow", self._root, map(str, words)), said)


def more_of(typed: Mapping[str, str]) -> More:
    """Read what was typed; GrowError names what is no number."""
    words = {name: text.replace(",", " ").split() for name, text in typed.items()}
    for name in ("epochs", "seeds"):
        if wrong := [word for word in words[name] if not word.isdecimal()]:
            raise GrowError(f"{name}: {wrong[0]!r} is not a whole number from 0 on")
    numbers = (tuple(map(int, words[name])) for name in ("epochs", "seeds"))
    return More(tuple(words["sources"]), *numbers)
