"""Reads the shared jobs that ended badly, and who waits for them, off a snapshot."""

from __future__ import annotations

from tuilab.grid import shared_failures as of_jobs
from tuilab.grid.shared_failures import SharedFailure
from tuilab.store.snapshot import CellView, Snapshot


def shared_failures(snapshot: Snapshot) -> tuple[SharedFailure, ...]:
    """Return the broken shared jobs in plan order with the cells that cannot go on without them."""
    cells = ((view.cell, view.jobs) for view in snapshot.cells)
    return of_jobs.shared_failures(snapshot.shared, cells)


def failure_above(snapshot: Snapshot, view: CellView) -> SharedFailure | None:
    """Return the broken shared job that a cell waits for, None when it waits for none."""
    if not any(job.blocked_by for job in view.jobs):
        return None
    return next((one for one in shared_failures(snapshot) if view.cell in one.cells), None)
