"""A failed shared job is found together with the cells that wait for it."""

from __future__ import annotations

from tuilab.grid.cells import Cell
from tuilab.grid.shared_failures import shared_failures
from tuilab.grid.stages import Stage
from tuilab.grid.states import JobStatus, State

FAILED = JobStatus("data/villain", Stage.DATA, State.FAILED, "code", "no such file", 2)
BLOCKED = JobStatus("converge/villain#1", Stage.CONVERGE, State.WAITING, blocked_by=FAILED.job)
FIRST, SECOND, OTHER = Cell("villain", 0, 1), Cell("villain", 2, 1), Cell("nurse", 0, 1)


def waiting(cell: Cell, blocked_by: str) -> tuple[Cell, list[JobStatus]]:
    jobs = [
        JobStatus(f"{stage}/{cell}", stage, State.WAITING, blocked_by=blocked_by)
        for stage in (Stage.TRAIN, Stage.MERGE)
    ]
    return cell, jobs


def test_a_failed_shared_job_comes_with_the_cells_that_wait_for_it() -> None:
    cells = [waiting(FIRST, FAILED.job), waiting(SECOND, FAILED.job), waiting(OTHER, "")]
    (found,) = shared_failures([FAILED, BLOCKED], cells)
    assert found.status is FAILED
    assert found.cells == (FIRST, SECOND)


def test_what_fails_without_anybody_waiting_is_told_all_the_same() -> None:
    (found,) = shared_failures([FAILED], [])
    assert found.cells == ()


def test_a_stopped_shared_job_is_told_only_where_somebody_waits_for_it() -> None:
    stopped = JobStatus("data/nurse", Stage.DATA, State.STOPPED)
    assert shared_failures([stopped], []) == ()
    (found,) = shared_failures([stopped], [waiting(OTHER, stopped.job)])
    assert found.cells == (OTHER,)


def test_where_all_goes_well_there_is_nothing_to_tell() -> None:
    assert shared_failures([JobStatus("data/nurse", Stage.DATA, State.DONE)], []) == ()
