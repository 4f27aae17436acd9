"""The engine's memory of its experiment: journal, states and queue, always in step."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from typing import Any

from tuilab.engine.decide.retry import is_missing
from tuilab.grid.jobs import Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.states import LIVE, JobStatus, State, Verdict, derive_state
from tuilab.store.journal import Journal


class Board:
    """The engine's memory of an experiment: costs what changed, not what exists."""

    def __init__(self, plan: Plan) -> None:
        self.ledger = Ledger()
        self.peaks: dict[str, int] = {}
        """Largest GPU memory of a done attempt, in bytes, by stage."""
        self.live: set[str] = set()
        """Jobs whose last attempt is claimed or running."""
        self.missing: set[str] = set()
        """Jobs whose last attempt counts as lost for its silence alone."""
        self._set_plan(plan)

    def _set_plan(self, plan: Plan) -> None:
        self.plan = plan
        self.places = {job.id: place for place, job in enumerate(plan.jobs)}
        self.statuses: dict[str, JobStatus] = {}
        self._ready: list[int] = []
        self._queue: list[str] | None = None
        for job in plan.jobs:
            self._derive(job.id)

    def replace_plan(self, plan: Plan) -> None:
        """Go on with another plan of the same experiment."""
        self._set_plan(plan)

    def fold(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Take in journal lines, then bring states and queue up to date."""
        entries = list(lines)
        self._queue = None
        touched = self.ledger.fold(entries)
        self._note_peaks(entries)
        for name in touched:
            last = self.ledger.of(name).last
            _keep(self.live, name, last is not None and last.verdict in LIVE)
            _keep(self.missing, name, last is not None and is_missing(last))
        self._refresh(touched)

    def _note_peaks(self, entries: Iterable[Mapping[str, Any]]) -> None:
        for line in entries:
            peak = line.get("peak_device")
            if isinstance(peak, int) and peak > 0 and line.get("verdict") == Verdict.DONE:
                stage = str(line.get("job", "")).partition("/")[0]
                self.peaks[stage] = max(peak, self.peaks.get(stage, 0))

    @property
    def ready(self) -> list[str]:
        """Due jobs that may start, in plan order, those moved to the front first."""
        if self._queue is None:
            self._queue = self._in_order([self.plan.jobs[place].id for place in self._ready])
        return self._queue

    def _in_order(self, found: list[str]) -> list[str]:
        front = {job: place for place, job in enumerate(self.ledger.order)}
        return sorted(found, key=lambda job: front.get(job, len(front))) if front else found

    def _refresh(self, touched: set[str]) -> None:
        """Derive again what was touched and all below it, parents before children."""
        heap = sorted({self.places[job] for job in touched if job in self.places})
        seen = set(heap)
        while heap:
            place = heappop(heap)
            name = self.plan.jobs[place].id
            before = self.statuses.get(name)
            if self._derive(name) == before and name not in touched:
                continue
            for child in self.plan.children.get(name, ()):
                if self.places[child] not in seen:
                    seen.add(self.places[child])
                    heappush(heap, self.places[child])

    def _derive(self, name: str) -> JobStatus:
        job = self.plan.by_id[name]
        evidence = self.ledger.of(name)
        outputs = {}
        for parent in job.parents:
            done = self.ledger.of(parent).last_done
            outputs[parent] = done.output_hash if done is not None else ""
        status = derive_state(
            job, evidence, {parent: self.statuses[parent] for parent in job.parents}, outputs
        )
        self.statuses[name] = status
        is_ready = status.state is State.QUEUED and not evidence.held and not status.given_to
        self._mark(self.places[name], is_ready)
        return status

    def _mark(self, place: int, is_ready: bool) -> None:
        at = bisect_left(self._ready, place)
        is_there = at < len(self._ready) and self._ready[at] == place
        if is_ready and not is_there:
            insort(self._ready, place)
        elif is_there and not is_ready:
            del self._ready[at]


def _keep(names: set[str], name: str, belongs: bool) -> None:
    if belongs:
        names.add(name)
    else:
        names.discard(name)


class Records:
    """The journal and what follows from it; nothing reaches the board that is not on disk."""

    def __init__(self, journal: Journal, board: Board) -> None:
        self.journal = journal
        self.board = board

    def say(self, kind: str, **fields: Any) -> None:
        """Append one line; OSError when the disk takes none, and then nothing has changed."""
        self.say_all([{"kind": kind, **fields}])

    def say_all(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Append several lines, durable together."""
        self.board.fold(self.journal.append_all(entries))
