"""Makes the cells of an experiment as they are drawn out of the states of its jobs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import compress
from typing import Any

from tuilab.grid.cells import Cell
from tuilab.grid.edits import cell_edits
from tuilab.grid.lazy import Lazy, Mapped
from tuilab.grid.metrics import (
    Measurement,
    Numbers,
    is_complete,
    measured_by,
    read_back,
    recorded,
    time_of,
)
from tuilab.grid.notes import NO_NOTE
from tuilab.grid.own_jobs import OwnJobs
from tuilab.grid.stages import Stage
from tuilab.grid.states import WITH_RESULT, JobStatus, State, derive_cell
from tuilab.store.snapshot import CellView
from tuilab.store.state import Changes, StateReader
from tuilab.store.time_left import StageClock
from tuilab.store.waiting_cells import WaitingCells

_IDLE, _PLAIN, _ASKED, _ODD = range(4)
"""What is known of a job, or of all jobs of a cell: nothing, that it is plain (see ``states``),
that it was asked for and no more, or something else."""


class CellViews:
    """The cells of a plan as they are drawn, and what is left of it; costs what changed."""

    def __init__(self, reader: StateReader, is_once: bool = False) -> None:
        """``is_once`` is for one look: a cell that only waits is not looked at by itself."""
        self._reader = reader
        plan, states = reader.plan, reader.states
        self._own = OwnJobs(plan)
        self._measured = {stage: set(measured_by(stage, plan.measured)) for stage in Stage}
        self._edits = cell_edits(plan)
        ids = plan.table.ids
        self._shared = [ids[place] for place in plan.table.shared]
        self._plain, self._notes = states.plain, reader.journal.ledger.notes
        self.clock = StageClock()
        known = bytearray(len(ids))
        plain = self._plain.places()
        for place in plain:
            known[place] = _PLAIN
        evidence = reader.journal.ledger.evidence
        for at, is_asked in evidence.mentioned_places(plan):
            if not known[at]:
                known[at] = _ASKED if is_asked and is_once and not self._notes else _ODD
        self._made_as = bytearray(len(self._own.cells))
        """What is known of a cell that is made where it is seen, at its place."""
        self._views: list[CellView | None] = [None] * len(self._own.cells)
        """In grid order; None for one that is made where it is seen."""
        self._waiting = WaitingCells(plan, states.status)
        for at, own in enumerate(self._own):
            what = {known[job] for job in own}
            if what == {_ASKED} and self._waiting.take(at, own, self._view):
                self._made_as[at] = _ASKED
                for job in own:
                    known[job] = _IDLE
            elif what == {_PLAIN} and not self._notes:
                self._made_as[at] = _PLAIN
            elif what != {_IDLE} or self._notes:
                self._views[at] = self._view(at)
        for at in compress(range(len(ids)), known):
            if known[at] != _PLAIN:
                self.clock.note(None, states.status(ids[at]))
        self._waiting.tell(self.clock)
        if not is_once or self.clock.has_work:
            self._tell_clock(plain)
        self._counts = Counter(map(self._state_at, range(len(self._views))))

    def _tell_clock(self, plain: list[int]) -> None:
        """Tell the clock how long plain jobs took."""
        table, seconds = self._reader.plan.table, self._plain.seconds
        times: list[dict[str, float]] = [{} for _ in table.kinds]
        for place in plain:
            times[table.of_kind[place]][table.ids[place]] = seconds[place]
        for kind, took in zip(table.kinds, times, strict=True):
            self.clock.note_done(kind.stage, took)

    @property
    def views(self) -> Sequence[CellView]:
        """The cells as they are now, in grid order."""
        return _Views(tuple(self._views), bytes(self._made_as), self._made)

    def make_plain(self) -> None:
        """Make the views of plain cells now, for one who looks at each again and again."""
        for place, known in enumerate(self._made_as):
            if known == _PLAIN:
                self._views[place] = self._plain_view(place)

    @property
    def counts(self) -> dict[str, int]:
        """Cells by state, in the order of the words; states without a cell are left out."""
        return {state.value: self._counts[state] for state in State if self._counts[state]}

    @property
    def shared(self) -> tuple[JobStatus, ...]:
        """Statuses of the jobs that cells share, in plan order."""
        return tuple(self._reader.states.statuses[job] for job in self._shared)

    def update(self, changes: Changes) -> None:
        """Look again at the cells whose jobs have changed."""
        plan, states = self._reader.plan, self._reader.states
        for job, before in changes.items():
            self.clock.note(before, states.statuses[job])
        table = plan.table
        cells = (table.cell_at(states.places[job]) for job in changes)
        for cell in dict.fromkeys(cells):
            if cell is None:
                continue
            place = self._places[cell]
            self._counts[self._state_at(place)] -= 1
            self._views[place] = view = self._view(place)
            self._counts[view.state] += 1
        self._take_notes()

    @cached_property
    def _places(self) -> dict[Cell, int]:
        return {cell: place for place, cell in enumerate(self._own.cells)}

    def _state_at(self, place: int) -> State:
        if (shown := self._views[place]) is not None:
            return shown.state
        if self._made_as[place] == _ASKED:
            return self._waiting.like(place).state
        return State.DONE if self._made_as[place] == _PLAIN else State.IDLE

    def _take_notes(self) -> None:
        notes = self._reader.journal.ledger.notes
        if notes is self._notes:
            return
        self._notes = notes
        places = {str(cell): place for cell, place in self._places.items()}
        for name, note in notes.items():
            if (place := places.get(name)) is not None:
                view = self._views[place] or self._made(place, self._made_as[place])
                self._views[place] = replace(view, note=note)

    def _made(self, place: int, known: int) -> CellView:
        if known == _ASKED:
            return self._waiting_view(place)
        return self._plain_view(place) if known == _PLAIN else self._idle_view(place)

    def _waiting_view(self, place: int) -> CellView:
        cell, ids, states = self._own.cells[place], self._reader.plan.table.ids, self._reader.states
        jobs = Mapped(lambda at: states.status(ids[at]), self._own[place])
        edits = self._edits.get(cell, {})
        return replace(self._waiting.like(place), cell=cell, jobs=jobs, deviation=edits)

    def _idle_view(self, place: int) -> CellView:
        cell, table = self._own.cells[place], self._reader.plan.table
        own = [(table.ids[at], table.stage_at(at)) for at in self._own[place]]
        statuses = tuple(JobStatus(job, stage, State.IDLE) for job, stage in own)
        first, edits = own[0][1].value, self._edits.get(cell, {})
        return CellView(cell, State.IDLE, first, jobs=statuses, deviation=edits)

    def _plain_view(self, place: int) -> CellView:
        """The same as ``_view`` of a cell of which every job is plain, from what was kept."""
        cell, plain, table = self._own.cells[place], self._plain, self._reader.plan.table
        own, edits = self._own[place], self._edits.get(cell, {})
        seconds, found = sum(plain.seconds[at] for at in own), dict[str, Measurement]()
        for at in own:
            if measured := self._measured[table.stage_at(at)]:
                told = json.loads(plain.numbers[at] or "{}")
                found |= self._read_back(told, measured, table.ids[at], plain.attempts[at])
        return CellView(
            cell,
            State.DONE,
            None,
            attempt=max(plain.attempts[at] for at in own),
            metrics=found | time_of(seconds),
            seconds=seconds,
            jobs=Mapped(plain.status, own),
            deviation=edits,
            edits=edits,
        )

    def _view(self, place: int) -> CellView:
        cell, ids = self._own.cells[place], self._reader.plan.table.ids
        statuses = tuple(self._reader.states.statuses[ids[at]] for at in self._own[place])
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
            metrics=self._metrics(statuses),
            earlier=self._numbers(statuses) if speaks.state is State.STOPPED else {},
            seconds=sum(s.seconds for s in statuses if s.state in WITH_RESULT),
            jobs=statuses,
            given_to=speaks.given_to,
            deviation=edits,
            # Done means that what ran has the fingerprint of what is planned, edits included.
            edits=edits if is_done else {},
            accepted={one.stage.value: one.accepted for one in statuses if one.accepted},
            note=self._notes.get(str(cell), NO_NOTE) if self._notes else NO_NOTE,
        )

    def _metrics(self, own: tuple[JobStatus, ...]) -> Numbers:
        done = [one for one in own if one.state in WITH_RESULT]
        found = self._numbers(done)
        if len(done) == len(own):
            found |= time_of(sum(one.seconds for one in done))
        return found

    def _numbers(self, jobs: Iterable[JobStatus]) -> Numbers:
        """The numbers of results, from the journal; from the outcome where a metric is younger."""
        found: Numbers = {}
        for one in jobs:
            if (measured := self._measured[one.stage]) and one.result is not None:
                attempt = one.result.attempt
                found |= self._read_back(attempt.numbers, measured, one.job, attempt.number)
        return found

    def _read_back(
        self, told: Mapping[str, Any], measured: set[str], job: str, attempt: int
    ) -> Numbers:
        if not is_complete(told, measured):
            from tuilab.contract.report import readable_outcome  # journals of older versions

            outcome = readable_outcome(self._reader.layout.attempt_dir(job, attempt))
            if outcome is not None:
                plan = self._reader.plan
                told = recorded(plan, plan.by_id[job], outcome.metrics)
        return read_back(told)


class _Views(Lazy[CellView]):
    """Cells as they were at one moment; most are made where they are seen.

    A grid of 100,000 cells that has not begun, or that is done, takes hundreds of MB otherwise.
    """

    def __init__(
        self,
        views: tuple[CellView | None, ...],
        made_as: bytes,
        make: Callable[[int, int], CellView],
    ) -> None:
        self._views, self._made_as, self._make = views, made_as, make

    def at(self, place: int) -> CellView:
        """Return the cell at a place, made where it is not kept."""
        at = place % len(self._views)
        return self._views[place] or self._make(at, self._made_as[at])

    def __iter__(self) -> Iterator[CellView]:
        pairs = enumerate(zip(self._views, self._made_as, strict=True))
        return (view or self._make(place, known) for place, (view, known) in pairs)

    def __len__(self) -> int:
        return len(self._views)
