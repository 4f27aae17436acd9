"""Says what became of one attempt from its files alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tuilab.contract.hub import RETRY_AFTER
from tuilab.contract.reasons import (
    SILENT,
    Death,
    Exit,
    Reason,
    never_begun,
    stalled,
    without_outcome,
)
from tuilab.contract.report import EVENTS_FILE, LOG_FILE, read_outcome
from tuilab.contract.tail import tail_lines
from tuilab.contract.worker import LOG_FILE as WORKER_LOG
from tuilab.contract.worker import STOP_FILE, assignments, read_exit, read_stop
from tuilab.grid.endings import Ending
from tuilab.grid.jobs import Job, Plan
from tuilab.grid.stages import Stage
from tuilab.grid.states import Verdict
from tuilab.store.attempts import checkpoints_of, fetched_commit, read_claim
from tuilab.store.layout import Layout
from tuilab.store.verify import verify_attempt


def settlement(
    layout: Layout, plan: Plan, job: Job, number: int, *, hash_files: bool = True
) -> Ending | None:
    """Return what the outcome of an attempt comes to.

    None while there is no outcome. One that cannot be read makes the attempt suspect: it did end.
    """
    directory = layout.attempt_dir(job.id, number)
    try:
        outcome = read_outcome(directory)
    except (OSError, ValueError) as error:
        return Ending(Verdict.SUSPECT, Reason.UNKNOWN, f"cannot be read: {error}")
    if outcome is None:
        return None
    told = verify_attempt(directory, job, outcome, hash_files=hash_files)
    is_done = told.verdict is Verdict.DONE
    stop = read_stop(directory) if told.verdict is Verdict.STOPPED else None
    if told.verdict is Verdict.FAILED and _was_stalled(_worker_of(layout, directory), job.id):
        told = _dead(stalled(tail_lines(directory / LOG_FILE)))
    # What others compare a base by is its commit, however it came.
    made = fetched_commit(directory) if job.stage is Stage.FETCH else outcome.output_hash
    is_run = is_done and job.stage is Stage.CONVERGE
    wait = outcome.metrics.get(RETRY_AFTER)
    return replace(
        told,
        seconds=outcome.seconds,
        started_at=outcome.started_at,
        finished_at=outcome.finished_at,
        output_hash=made if is_done else "",
        checkpoints=checkpoints_of(outcome.artefacts) if is_run else {},
        by=stop.by if stop else "",
        bytes=sum(one.size for one in outcome.artefacts),
        peak_device=outcome.peak_memory.get("device", 0),
        retry_after=float(wait) if isinstance(wait, int | float) else None,
    )


def ending(layout: Layout, job: Job, number: int) -> Ending:
    """Return what became of an attempt without an outcome whose worker is gone.

    Stopped when an operator's mark is there, failed when the shim's exit record or the log names
    a cause, otherwise lost.
    """
    directory = layout.attempt_dir(job.id, number)
    worker = _worker_of(layout, directory)
    if stop := read_stop(directory):
        by = stop.by or "an operator"
        return Ending(Verdict.STOPPED, None, f"stopped by {by}", by=stop.by)
    if _was_stalled(worker, job.id):
        return _dead(stalled(tail_lines(directory / LOG_FILE)))
    end = read_exit(worker) if worker is not None else None
    if (directory / EVENTS_FILE).exists():
        end = end or Exit(why="its worker is gone and left no exit record")
        return _dead(without_outcome(end, tail_lines(directory / LOG_FILE)))
    if worker is None:
        return _dead(never_begun(end, (), is_first=False))
    log = tail_lines(worker / WORKER_LOG)
    return _dead(never_begun(end, log, _was_to_be_the_first(worker, directory)))


def _dead(death: Death) -> Ending:
    return Ending(Verdict.LOST if death.is_lost else Verdict.FAILED, death.reason, death.detail)


SILENT_ELSEWHERE = _dead(SILENT)
"""What became of an attempt on another host that has been silent for long."""


def _worker_of(layout: Layout, directory: Path) -> Path | None:
    claim = read_claim(directory)
    return layout.worker_dir(claim.worker) if claim else None


def _was_stalled(worker: Path | None, job: str) -> bool:
    """Whether the stall watchdog ended the worker for this job."""
    stop = read_stop(worker) if worker is not None else None
    return stop is not None and stop.is_stall and job in stop.jobs


def _was_to_be_the_first(worker: Path, directory: Path) -> bool:
    """Whether a worker that nobody asked to end began nothing, and was to begin this attempt."""
    given = [one.attempt_dir for one in assignments(worker)]
    has_served = any((folder / EVENTS_FILE).exists() for folder in given)
    return given[:1] == [directory] and not has_served and not (worker / STOP_FILE).exists()
