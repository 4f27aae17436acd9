"""Keeps the states of jobs and cells in step with evidence, deriving again only what it touches."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from tuilab.grid.cells import Cell
from tuilab.grid.edits import cell_edits
from tuilab.grid.jobs import Job, Plan
from tuilab.grid.metrics import Measurement, read_back
from tuilab.grid.stages import CELL_STAGES, Stage
from tuilab.grid.states import Evidence, JobStatus, State, derive_cell, derive_state
from tuilab.store.snapshot import CellView
from tuilab.store.time_left import StageClock

EvidenceOf = Callable[[str], Evidence]
PercentOf = Callable[[str], float | None]
_VALUED = frozenset({State.DONE, State.STALE})
_MEASURING = frozenset({Stage.EVAL, Stage.COSINE})


class Derivation:
    """The derived picture of one plan; ``refresh`` is given what changed."""

    def __init__(self, plan: Plan, evidence_of: EvidenceOf, percent_of: PercentOf) -> None:
        self.plan = plan
        self._evidence_of = evidence_of
        self._percent_of = percent_of
        self._places = {job.id: place for place, job in enumerate(plan.jobs)}
        self._own = _own_jobs(plan)
        self._edits = cell_edits(plan)
        self._shared = [job.id for job in plan.jobs if job.cell is None]
        self._cell_places = {cell: place for place, cell in enumerate(self._own)}
        self.statuses: dict[str, JobStatus] = {}
        self.outputs: dict[str, str] = {}
        self.clock = StageClock()
        self._due: list[int] = []
        self._given: set[str] = set()
        """Jobs that a worker has in its inbox and has not begun."""
        self._queue: tuple[str, ...] | None = None
        self._views: list[CellView] = []
        self._counts: Counter[str] = Counter()
        self._start()

    @property
    def cells(self) -> tuple[CellView, ...]:
        """Views of all cells in grid order."""
        return tuple(self._views)

    @property
    def counts(self) -> dict[str, int]:
        """Cells by state, in the order of the words; states without a cell are left out."""
        return {state.value: self._counts[state] for state in State if self._counts[state]}

    @property
    def shared(self) -> tuple[JobStatus, ...]:
        """Statuses of the jobs that cells share, in plan order."""
        return tuple(self.statuses[job] for job in self._shared)

    def queue(self, front: Sequence[str] = ()) -> tuple[str, ...]:
        """Ids of due jobs in launch order: those given to a worker, those moved to the front."""
        if self._queue is None:
            due = [self.plan.jobs[place].id for place in self._due]
            self._queue = tuple(sorted(due, key=lambda job: job not in self._given))
        among = set(self._queue) - self._given if front else set()
        moved = [job for job in front if job in among]
        if not moved:
            return self._queue
        given, ahead = len(self._given), set(moved)
        rest = (job for job in self._queue[given:] if job not in ahead)
        return (*self._queue[:given], *moved, *rest)

    def refresh(self, touched: Iterable[str]) -> bool:
        """Derive touched jobs again and whatever depends on a change; True if anything changed."""
        heap = [self._places[job] for job in set(touched) if job in self._places]
        heapq.heapify(heap)
        seen: set[int] = set()
        cells: dict[Cell, None] = {}
        has_changed = False
        while heap:
            place = heapq.heappop(heap)
            if place in seen:
                continue
            seen.add(place)
            job = self.plan.jobs[place]
            if not self._derive(job, place):
                continue
            has_changed = True
            if (cell := job.cell) is not None:
                cells[cell] = None
            for child in self.plan.children[job.id]:
                heapq.heappush(heap, self._places[child])
        for cell in cells:
            self._view(cell)
        return has_changed

    def _start(self) -> None:
        for place, job in enumerate(self.plan.jobs):
            self._derive(job, place)
        for cell in self._own:
            view = self._look(cell)
            self._views.append(view)
            self._counts[view.state] += 1

    def _derive(self, job: Job, place: int) -> bool:
        """Derive one job; True if its status or its output changed."""
        evidence = self._evidence_of(job.id)
        parents = {parent: self.statuses[parent] for parent in job.parents}
        outputs = {parent: self.outputs[parent] for parent in job.parents}
        status = derive_state(job, evidence, parents, outputs)
        if status.state is State.RUNNING and (percent := self._percent_of(job.id)) is not None:
            status = _with_percent(status, percent)
        done = evidence.last_done
        output = done.output_hash if done else ""
        before = self.statuses.get(job.id)
        if before == status and self.outputs.get(job.id) == output:
            return False
        self.statuses[job.id] = status
        self.outputs[job.id] = output
        self.clock.note(job.id, before, status, done)
        self._mark(place, evidence.is_due or bool(status.given_to))
        if (job.id in self._given) != bool(status.given_to):
            self._queue = None
            (self._given.add if status.given_to else self._given.discard)(job.id)
        return True

    def _mark(self, place: int, is_due: bool) -> None:
        at = bisect_left(self._due, place)
        is_there = at < len(self._due) and self._due[at] == place
        if is_due == is_there:
            return
        self._queue = None
        if is_due:
            insort(self._due, place)
        else:
            del self._due[at]

    def _view(self, cell: Cell) -> None:
        place = self._cell_places[cell]
        before, view = self._views[place], self._look(cell)
        self._views[place] = view
        self._counts[before.state] -= 1
        self._counts[view.state] += 1

    def _look(self, cell: Cell) -> CellView:
        own = self._own[cell]
        statuses = tuple(self.statuses[job.id] for job in own)
        speaks = derive_cell(statuses)
        is_done = speaks.state is State.DONE
        edits = self._edits.get(cell, {})
        return CellView(
            cell=cell,
            state=speaks.state,
            stage=None if is_done else speaks.stage.value,
            reason=speaks.reason,
            detail=speaks.detail,
            attempt=max(s.attempt for s in statuses) if is_done else speaks.attempt,
            percent=speaks.percent,
            metrics=self._metrics(own),
            seconds=sum(s.seconds for s in statuses if s.state in _VALUED),
            jobs=statuses,
            given_to=speaks.given_to,
            deviation=edits,
            # Done means that what ran has the fingerprint of what is planned, edits included.
            edits=edits if is_done else {},
        )

    def _metrics(self, own: tuple[Job, ...]) -> dict[str, Measurement]:
        found: dict[str, Measurement] = {}
        for job in own:
            if job.stage in _MEASURING and self.statuses[job.id].state in _VALUED:
                done = self._evidence_of(job.id).last_done
                found |= read_back(done.metrics) if done else {}
        return found


def _own_jobs(plan: Plan) -> dict[Cell, tuple[Job, ...]]:
    """The jobs of each cell in the order of stages; cells in grid order, empty ones left out."""
    found: dict[Cell, list[Job]] = {cell: [] for cell in plan.cells}
    for job in plan.jobs:
        if (cell := job.cell) is not None and cell in found:
            found[cell].append(job)
    order = {stage: place for place, stage in enumerate(CELL_STAGES)}
    return {
        cell: tuple(sorted(jobs, key=lambda job: order[job.stage]))
        for cell, jobs in found.items()
        if jobs
    }


def _with_percent(status: JobStatus, percent: float) -> JobStatus:
    return JobStatus(
        status.job,
        status.stage,
        status.state,
        status.reason,
        status.detail,
        status.attempt,
        status.seconds,
        percent,
        status.started_at,
    )
