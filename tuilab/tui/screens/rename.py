"""The rename dialog: another name for an experiment's folder."""

from __future__ import annotations

from pathlib import Path

from tuilab.grid.request import Request
from tuilab.store.shelf import ShelfError, renamed
from tuilab.tui.messages import RequestMade
from tuilab.tui.present.cli_equivalent import command
from tuilab.tui.screens.dialog import Form


class RenameDialog(Form):
    """Dismissed with the new name."""

    def __init__(self, root: Path) -> None:
        self._root = root
        super().__init__(f"Rename {root.name}", {"name": "new name of the folder"}, "Rename")

    def judge(self) -> None:
        """Show the command that does the same."""
        name = self.typed("name")
        if not name:
            self.refuse(["Results, journal and id stay as they are."])
            return
        try:
            to = renamed(self._root, name)
        except ShelfError as error:
            self.refuse([], str(error))
            return
        twin = command("rename", self._root, [name])
        self.offer([f"moves to {to}"], Request("rename"), twin, "")

    def do(self, offer: RequestMade) -> None:
        """Return the name."""
        self.dismiss(self.typed("name"))
