"""Knows the screens by name and loads each one only when it is gone to."""

from __future__ import annotations

import importlib

from textual.screen import Screen

_PLACES = {
    "grid": ("tuilab.tui.screens.grid", "GridScreen"),
    "plots": ("tuilab.tui.screens.plots", "PlotsScreen"),
    "table": ("tuilab.tui.screens.table", "TableScreen"),
    "queue": ("tuilab.tui.screens.queue", "QueueScreen"),
    "experiments": ("tuilab.tui.screens.experiments", "ExperimentsScreen"),
}


def make(name: str, bottom: Screen[object]) -> Screen[object] | None:
    """Return a new screen, or None when ``bottom`` is the one that was asked for."""
    module, kind = _PLACES[name]
    made = getattr(importlib.import_module(module), kind)
    return None if isinstance(bottom, made) else made()
