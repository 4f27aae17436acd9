"""Ends the workers that a test leaves: by design they go on without their engine."""

from __future__ import annotations

import signal
from typing import Any

from tuilab.contract.identity import Identity
from tuilab.contract.parsing import typed
from tuilab.engine.host import process_tree
from tuilab.store.layout import Layout


def end_workers(layout: Layout) -> None:
    """Kill every process of every worker of an experiment; its engine must have ended."""
    for folder in layout.workers.iterdir() if layout.workers.is_dir() else ():
        for who in process_tree.members(folder.name):
            process_tree.send(who, signal.SIGKILL)


def read_identity(raw: Any) -> Identity | None:
    """Return the process that a part of a lease names; None while it names none."""
    return typed(raw, Identity) if raw else None
