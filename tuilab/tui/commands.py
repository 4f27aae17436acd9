"""Offers every live key by name in the command palette, with its command-line twin."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from textual.app import App, SystemCommand
from textual.screen import Screen

from tuilab.tui.present.key_table import TWINS, key_rows
from tuilab.tui.themes import TEXTUAL_THEMES


def commands_of(app: App[Any], screen: Screen[Any]) -> Iterable[SystemCommand]:
    """Yield one command per action of the screen, then the themes."""
    seen: set[str] = set()
    for active in screen.active_bindings.values():
        binding = active.binding
        if not binding.id or binding.id == "app.palette":
            continue
        [row] = key_rows([binding])
        if row.meaning in seen:
            continue
        seen.add(row.meaning)
        twin = TWINS.get(binding.id, "")
        tail = f"   $ {twin}" if twin else ""
        run = partial(app.run_action, binding.action, active.node)
        yield SystemCommand(row.meaning, f"{row.keys}{tail}", run)
    for name in (theme.name for theme in TEXTUAL_THEMES):
        yield SystemCommand(f"{name} theme", "colours", partial(setattr, app, "theme", name))
