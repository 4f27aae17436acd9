"""Ends the workers that a test leaves: by design they go on without their engine."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from tuilab.contract.identity import Identity
from tuilab.contract.parsing import typed
from tuilab.contract.worker import Lease, read_lease
from tuilab.engine.host import process_tree
from tuilab.store.experiment_id import read_id
from tuilab.store.layout import Layout


def end_workers(layout: Layout) -> None:
    """Kill every process of every worker of an experiment; its engine must have ended."""
    for folder in layout.workers.iterdir() if layout.workers.is_dir() else ():
        for who in processes_of(folder):
            process_tree.send(who, signal.SIGKILL)


def processes_of(worker_dir: Path) -> list[Identity]:
    """Return the live processes of a worker."""
    return process_tree.members(worker_dir, read_id(Layout(worker_dir.parents[1])))


def lease_of(worker_dir: Path) -> Lease | None:
    """Return the lease of a worker; None while there is none."""
    return read_lease(worker_dir, read_id(Layout(worker_dir.parents[1])))


def read_identity(raw: Any) -> Identity | None:
    """Return the process that a part of a lease names; None while it names none."""
    return typed(raw, Identity) if raw else None
