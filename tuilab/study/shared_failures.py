"""Reads the shared jobs that ended badly, and who waits for them, off a snapshot."""

from __future__ import annotations

from tuilab.grid import shared_failures as of_jobs
from tuilab.grid.shared_failures import SharedFailure
from tuilab.store.snapshot import Snapshot


def shared_failures(snapshot: Snapshot) -> tuple[SharedFailure, ...]:
    """Return the broken shared jobs in plan order with the cells that cannot go on without them."""
    cells = ((view.cell, view.jobs) for view in snapshot.cells)
    return of_jobs.shared_failures(snapshot.shared, cells)
