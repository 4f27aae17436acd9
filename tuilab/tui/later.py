"""Loads what the first picture does not need and the first keys do, once that picture is there."""

from __future__ import annotations

import gc
from contextlib import suppress
from importlib import import_module
from pkgutil import iter_modules
from threading import Thread

from tuilab.tui import screens


def load_in_background() -> None:
    """Load all screens and dialogs in a thread, and collect garbage again from then on."""
    Thread(target=_load, name="tuilab-later", daemon=True).start()


def _load() -> None:
    for one in iter_modules(screens.__path__):
        with suppress(Exception):  # it fails again, and is told, for the key that needs it
            import_module(f"{screens.__name__}.{one.name}")
    gc.freeze()
    gc.enable()
