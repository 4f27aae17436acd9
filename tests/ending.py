"""Ends the engines and workers that a test leaves: by design they go on by themselves."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tuilab.contract.identity import Identity
from tuilab.contract.parsing import typed
from tuilab.contract.worker import Lease, read_lease
from tuilab.engine.host import process_tree
from tuilab.store.experiment_id import read_id
from tuilab.store.layout import Layout
from tuilab.store.lease import holder

DEADLINE = 60.0
"""Seconds that an engine may take to leave on a busy machine."""


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


def engine_pid(root: Path) -> int | None:
    """Process id of the living engine, None when there is none."""
    engine = holder(Layout(root), time.time())
    return None if engine is None else engine.identity.pid


def end_engine(root: Path) -> None:
    """End the engine, if one is alive, and its workers."""
    if (pid := engine_pid(root)) is not None:
        with suppress(psutil.NoSuchProcess):
            engine = psutil.Process(pid)
            engine.terminate()
            engine.wait(DEADLINE)
    end_workers(Layout(root))


def read_identity(raw: Any) -> Identity | None:
    """Return the process that a part of a lease names; None while it names none."""
    return typed(raw, Identity) if raw else None
