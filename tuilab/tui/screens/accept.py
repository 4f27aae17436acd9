"""The accept dialog: stale results that are to count as current, and why."""

from __future__ import annotations

from collections.abc import Sequence

from tuilab.grid.cells import Cell
from tuilab.grid.request import Request
from tuilab.grid.text import count_of
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present import cli_equivalent
from tuilab.tui.present.relaunch_text import cause_lines, name_cells
from tuilab.tui.screens.dialog import Form


class AcceptDialog(Form):
    """Nothing is written down without a reason."""

    def __init__(self, snapshot: Snapshot, cells: Sequence[Cell]) -> None:
        self._snapshot, self._cells = snapshot, cells
        title = f"Accept the stale results of {name_cells(cells, snapshot.labels)}"
        fields = {"why": "they still count, such as: only the log format changed"}
        super().__init__(title, fields, "Accept")

    def judge(self) -> None:
        """Ask for a reason, then offer to keep the results."""
        cells, snapshot = self._cells, self._snapshot
        lines = list(cause_lines(snapshot, cells))
        if not (why := self.typed("why")):
            self.refuse(lines, "say why: every report names it", "muted")
            return
        names = cli_equivalent.selectors(cells, [view.cell for view in snapshot.cells])
        twin = cli_equivalent.command("accept", snapshot.root, [*names, "--why", why])
        request = Request("accept", cells=tuple(map(str, cells)), options={"why": why})
        said = f"asked to accept {count_of(len(cells), 'cell')} as current"
        self.offer(lines, request, twin, said)
