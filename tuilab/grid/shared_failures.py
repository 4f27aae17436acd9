"""Finds the shared jobs that ended badly and the cells that cannot go on without them; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tuilab.grid.cells import Cell
from tuilab.grid.states import BROKEN, JobStatus, State

CellJobs = Iterable[tuple[Cell, Sequence[JobStatus]]]
"""Each cell with the statuses of its own jobs."""


class SharedFailure(NamedTuple):
    """A data or converge job that is failed, lost, suspect or stopped."""

    status: JobStatus
    """With reason, evidence line and attempt."""
    cells: tuple[Cell, ...]
    """Cells that wait for it, in the order given."""


def shared_failures(shared: Iterable[JobStatus], cells: CellJobs) -> tuple[SharedFailure, ...]:
    """Return the broken shared jobs in the order given; a stopped one only where cells wait."""
    ended = [job for job in shared if job.state in BROKEN or job.state is State.STOPPED]
    if not ended:
        return ()
    blocked: dict[str, dict[Cell, None]] = {job.job: {} for job in ended}
    for cell, jobs in cells:
        for job in jobs:
            if job.blocked_by in blocked:
                blocked[job.blocked_by][cell] = None
    found = (SharedFailure(job, tuple(blocked[job.job])) for job in ended)
    return tuple(one for one in found if one.cells or one.status.state is not State.STOPPED)
