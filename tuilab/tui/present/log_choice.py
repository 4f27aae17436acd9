"""Decides which log speaks for a cell: its own stage's, or the shared job it waits for."""

from __future__ import annotations

from collections.abc import Sequence

from tuilab.contract.foreign import clean_line
from tuilab.grid.endings import ending_words, short_ending
from tuilab.grid.jobs import job_id, shared_by
from tuilab.grid.stages import OWN_STAGES, Stage
from tuilab.grid.states import LIVE, WITH_RESULT, Attempt, JobStatus, State
from tuilab.store.snapshot import CellView, Snapshot


def log_of(snapshot: Snapshot, view: CellView) -> tuple[str, int] | None:
    """Return (job id, attempt number) of the log to show, None when nothing has run yet."""
    cell = view.cell
    if view.state in WITH_RESULT:
        return _last_that_ran(view)
    if view.attempt and view.stage:
        return job_id(Stage(view.stage), cell.source, cell.epoch, cell.seed), view.attempt
    if above := next((job.blocked_by for job in view.jobs if job.blocked_by), ""):
        broken = next((job for job in snapshot.shared if job.job == above), None)
        return (broken.job, broken.attempt) if broken else None
    return _shared(snapshot, view) or _last_that_ran(view)


def why_no_log(snapshot: Snapshot | None, attempt: Attempt | None) -> str:
    """Say why there is no line to read."""
    if snapshot is not None and snapshot.imported_from:
        return "imported: the log is not here"
    if attempt is None or attempt.verdict in LIVE:
        return "no log yet"
    if not short_ending(attempt):
        return "no log written"
    return f"no log written: {clean_line(ending_words(attempt), 300)}"


def _last_that_ran(view: CellView) -> tuple[str, int] | None:
    """The eval stage when it ran, because it made the number; otherwise the furthest stage."""
    ran = {job.stage: job for job in view.jobs if job.attempt}
    for stage in (Stage.EVAL, *reversed(OWN_STAGES)):
        if stage in ran:
            return ran[stage].job, ran[stage].attempt
    if view.attempt and view.state is State.DONE:
        cell = view.cell
        return job_id(Stage.EVAL, cell.source, cell.epoch, cell.seed), view.attempt
    return None


def _shared(snapshot: Snapshot, view: CellView) -> tuple[str, int] | None:
    """A live shared job that the cell waits for: its own convergence run first, then data."""
    own = shared_by(view.cell, (job.job for job in snapshot.shared), snapshot.target)
    live = [job for job in snapshot.shared if job.state is State.RUNNING and job.attempt]
    chosen = _first(live, own) or _named(live, view.detail) or (live[0] if live else None)
    return (chosen.job, chosen.attempt) if chosen else None


def _first(jobs: list[JobStatus], names: Sequence[str]) -> JobStatus | None:
    return next((job for name in names for job in jobs if job.job == name), None)


def _named(jobs: list[JobStatus], text: str) -> JobStatus | None:
    return next((job for job in jobs if job.job in text), None)
