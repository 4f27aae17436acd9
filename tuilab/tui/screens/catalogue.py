"""Knows the screens by name and loads each one only when it is gone to."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from textual.screen import Screen

_PLACES = {
    "grid": ("tuilab.tui.screens.grid", "GridScreen"),
    "plots": ("tuilab.tui.screens.plots", "PlotsScreen"),
    "table": ("tuilab.tui.screens.table", "TableScreen"),
    "queue": ("tuilab.tui.screens.queue", "QueueScreen"),
    "experiments": ("tuilab.tui.screens.experiments", "ExperimentsScreen"),
}


def home_of(stack: Sequence[Screen[Any]], name: str) -> Screen[Any]:
    """Return the screen to go back to: the grid, or the list at the bottom when that is meant."""
    _, kind = _PLACES["experiments" if name == "experiments" else "grid"]
    return next((screen for screen in stack if type(screen).__name__ == kind), stack[0])


def make(name: str, home: Screen[Any]) -> Screen[Any] | None:
    """Return a new screen, or None when ``home`` is the one that was asked for."""
    module, kind = _PLACES[name]
    made = getattr(importlib.import_module(module), kind)
    return None if isinstance(home, made) else made()
