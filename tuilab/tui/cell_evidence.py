"""What a look at a cell depends on: whoever has the same evidence need not read again."""

from __future__ import annotations

from pathlib import Path

from tuilab.grid.states import WITH_RESULT
from tuilab.store.snapshot import CellView

Evidence = tuple[object, ...]


def evidence_of(root: Path, view: CellView) -> Evidence:
    """Return what the look at a cell depends on; progress is none."""
    jobs = tuple((job.job, job.state, job.attempt) for job in view.jobs if job.state in WITH_RESULT)
    return (root, view.cell, view.state if not view.jobs else "", jobs)
