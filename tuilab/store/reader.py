"""Turns an experiment directory into snapshots; costs what changed, writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from operator import eq
from pathlib import Path
from typing import Any, overload

from tuilab.contract.report import readable_outcome
from tuilab.grid.cells import Cell
from tuilab.grid.edits import cell_edits
from tuilab.grid.engine_view import EngineView
from tuilab.grid.jobs import Plan, parse_job_id
from tuilab.grid.metrics import Numbers, is_complete, measured_by, read_back, recorded, time_of
from tuilab.grid.notes import EXPERIMENT, NO_NOTE
from tuilab.grid.stages import OWN_STAGES, Stage
from tuilab.grid.states import WITH_RESULT, Evidence, JobStatus, State, derive_cell
from tuilab.store import results_only
from tuilab.store.engine_file import Heartbeat, in_copy, judge, read_heartbeat, read_trouble
from tuilab.store.experiment import is_results_only
from tuilab.store.experiment_id import CopyWatch
from tuilab.store.file_stamp import NO_FILE, Stamp, stamp_of
from tuilab.store.layout import Layout
from tuilab.store.plan_file import PlanFileError, config_digest, load_plan_file
from tuilab.store.quarantine import quarantined
from tuilab.store.snapshot import CellView, Snapshot
from tuilab.store.state import Changes, StateReader
from tuilab.store.time_left import StageClock


class Reader:
    """One reader of one experiment; keeps what it has read and takes in what is new.

    Opens experiments with a plan and directories of results alone. Raises PlanFileError (or
    ResultsError) with what to do next when there is nothing that can be shown.
    """

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self._results = results_only.read_results(root) if is_results_only(root) else None
        self._snapshot: Snapshot | None = self._results
        self._sequence = 0
        self._stamps: dict[Path, Stamp] = {}
        self._config_changed = False
        self._plan_problem = ""
        self._quarantine: tuple[str, ...] = ()
        self._beat: Heartbeat | None = None
        self._copy_watch = CopyWatch(self.layout)
        if self._results is None:
            self._load_plan()

    def poll(self, now: float) -> Snapshot:
        """Return the state at ``now`` (unix time); the very same object when nothing changed."""
        if self._results is not None:
            return self._results
        is_changed = self.refresh_plan()
        is_changed |= self._read_files()
        engine = self._engine(now)
        is_changed |= self._read_state(now, engine.is_alive)
        shown = self._snapshot
        if shown is not None and not is_changed and _same(engine, shown.engine):
            return shown
        self._sequence += 1
        self._snapshot = self._compose(now, engine)
        return self._snapshot

    def _engine(self, now: float) -> EngineView:
        if of := self._copy_watch.look():
            return in_copy(of, self.layout.root)
        return judge(self._beat, now, read_trouble(self.layout))

    def refresh_plan(self) -> bool:
        """Read plan.json again if it changed; True if it did. A damaged one is only reported."""
        if not self._has_changed(self.layout.plan):
            return False
        try:
            self._load_plan()
        except PlanFileError as error:
            self._plan_problem = str(error)
        return True

    @property
    def offset(self) -> int:
        """Bytes of the journal that the last snapshot contains."""
        return self._state.journal.offset

    @property
    def is_results_only(self) -> bool:
        """True for tables without a plan; there are then no attempts to ask about."""
        return self._results is not None

    def of(self, job: str) -> Evidence:
        """All attempts of a job as the last snapshot shows them."""
        return self._state.of(job)

    def recorded(self, job: str) -> Evidence:
        """All attempts of a job as the journal has them: what no engine settled is still live."""
        return self._state.journal.ledger.of(job)

    def _load_plan(self) -> None:
        self._has_changed(self.layout.plan)
        self._file = load_plan_file(self.layout.root)
        self.plan = self._file.plan
        self._plan_problem = ""
        self._config_changed = self._differs_from_config()
        self._state = StateReader(self.layout, self.plan)

    def _read_files(self) -> bool:
        """Look at the small files beside the journal; True if a snapshot must tell."""
        is_changed = False
        if self._has_changed(self.layout.engine):
            self._beat = read_heartbeat(self.layout)
        if self._has_changed(self.layout.config):
            self._config_changed = self._differs_from_config()
            is_changed = True
        if self._has_changed(self.layout.quarantine):
            found = quarantined(self.layout)
            self._quarantine = tuple(f"{item.was} is in quarantine: {item.why}" for item in found)
            is_changed = True
        return is_changed

    def _read_state(self, now: float, engine_alive: bool) -> bool:
        """Look at journal and live attempts; True if a snapshot must tell."""
        changes = self._state.read(now, engine_alive)
        has_news = self._state.journal.take_news()
        if changes is None:
            self._cells = CellViews(self._state)
            return True
        self._cells.update(changes)
        return bool(changes) or has_news

    def _compose(self, now: float, engine: EngineView) -> Snapshot:
        plan, journal, picture = self.plan, self._state.journal, self._cells
        if engine.eta_seconds is None:
            workers = engine.workers or _number(plan.resources.get("workers"))
            left = picture.clock.left(workers, plan.estimates)
            engine = replace(engine, eta_seconds=left)
        pause, by = journal.ledger.pause, journal.ledger.pause_by
        if (pause, by) != (engine.pause, engine.pause_by):
            engine = replace(engine, pause=pause, pause_by=by)
        return Snapshot(
            name=plan.experiment,
            root=self.layout.root,
            sources=plan.sources,
            labels=plan.labels,
            epochs=plan.epochs,
            seeds=plan.seeds,
            target=plan.target,
            cells=picture.views,
            shared=picture.shared,
            engine=engine,
            counts=picture.counts,
            sequence=self._sequence,
            taken_at=now,
            synthetic=plan.synthetic,
            reference=plan.reference,
            headline_cosine=plan.headline_cosine,
            queue=self._state.states.queue,
            events=tuple(journal.events),
            problems=self._problems(),
            config_changed=self._config_changed,
            note=journal.ledger.notes.get(EXPERIMENT, NO_NOTE),
            config_digest=self._file.config_digest,
            gpu_seconds=journal.ledger.spent,
            measured=plan.measured,
        )

    def _problems(self) -> tuple[str, ...]:
        found = [*self._state.journal.problems, *self._quarantine]
        return (self._plan_problem, *found) if self._plan_problem else tuple(found)

    def _differs_from_config(self) -> bool:
        """A config that is missing or was never recorded counts as unchanged."""
        now = config_digest(self.layout)
        return bool(now and self._file.config_digest and now != self._file.config_digest)

    def _has_changed(self, path: Path) -> bool:
        before, now = self._stamps.get(path, NO_FILE), stamp_of(path)
        self._stamps[path] = now
        return before != now


class CellViews:
    """The cells of a plan as they are drawn, and what is left of it; costs what changed."""

    def __init__(self, reader: StateReader) -> None:
        self._reader = reader
        plan, states = reader.plan, reader.states
        self._own = _own_jobs(plan)
        self._measured = {stage: set(measured_by(stage, plan.measured)) for stage in Stage}
        self._edits = cell_edits(plan)
        ids = plan.table.ids
        self._shared = [ids[place] for place in plan.table.shared]
        self._cells = list(self._own)
        self._places = {cell: place for place, cell in enumerate(self._cells)}
        self.clock = StageClock()
        for job in reader.journal.ledger.evidence:
            if job in states.places:
                self.clock.note(None, states.status(job))
        self._notes = reader.journal.ledger.notes
        known = reader.journal.ledger.evidence.keys()
        self._views = [
            None if known.isdisjoint(own) and not self._notes else self._view(cell)
            for cell, own in self._own.items()
        ]
        """In grid order; None for a cell of which nothing is known."""
        self._counts = Counter(State.IDLE if one is None else one.state for one in self._views)

    @property
    def views(self) -> Sequence[CellView]:
        """The cells as they are now, in grid order."""
        return _Views(tuple(self._views), self._idle_view)

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
        for cell in {cell: None for job in changes if (cell := plan.by_id[job].cell) is not None}:
            place = self._places[cell]
            shown = self._views[place]
            self._counts[State.IDLE if shown is None else shown.state] -= 1
            self._views[place] = view = self._view(cell)
            self._counts[view.state] += 1
        self._take_notes()

    def _take_notes(self) -> None:
        notes = self._reader.journal.ledger.notes
        if notes is self._notes:
            return
        self._notes = notes
        places = {str(cell): place for cell, place in self._places.items()}
        for name, note in notes.items():
            if (place := places.get(name)) is not None:
                view = self._views[place] or self._idle_view(place)
                self._views[place] = replace(view, note=note)

    def _idle_view(self, place: int) -> CellView:
        cell = self._cells[place]
        own = ((job, parse_job_id(job)[0]) for job in self._own[cell])
        statuses = tuple(JobStatus(job, stage, State.IDLE) for job, stage in own)
        first, edits = statuses[0].stage.value, self._edits.get(cell, {})
        return CellView(cell, State.IDLE, first, jobs=statuses, deviation=edits)

    def _view(self, cell: Cell) -> CellView:
        own = self._own[cell]
        statuses = tuple(self._reader.states.statuses[job] for job in own)
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
            earlier=self._earlier(statuses) if speaks.state is State.STOPPED else {},
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
        found: Numbers = {}
        for one in done:
            if self._measured[one.stage]:
                found |= self._numbers(one)
        if len(done) == len(own):
            found |= time_of(sum(one.seconds for one in done))
        return found

    def _earlier(self, own: tuple[JobStatus, ...]) -> Numbers:
        """The numbers of the results that were there before, of jobs that were stopped since."""
        found: Numbers = {}
        for one in own:
            if self._measured[one.stage]:
                found |= self._numbers(one)
        return found

    def _numbers(self, status: JobStatus) -> Numbers:
        """The numbers of a result, from the journal; from the outcome where a metric is younger."""
        if status.result is None:
            return {}
        job, number = status.job, status.result.attempt.number
        told = status.result.attempt.numbers
        if not is_complete(told, self._measured[status.stage]):
            outcome = readable_outcome(self._reader.layout.attempt_dir(job, number))
            if outcome is not None:
                plan = self._reader.plan
                told = recorded(plan, plan.by_id[job], outcome.metrics)
        return read_back(told)


class _Views(Sequence[CellView]):
    """Cells as they were at one moment; one of which nothing was known is made where it is seen.

    A grid of 100,000 cells that has not begun takes 100 MB otherwise.
    """

    def __init__(self, views: tuple[CellView | None, ...], idle: Callable[[int], CellView]) -> None:
        self._views, self._idle = views, idle

    @overload
    def __getitem__(self, place: int) -> CellView: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[CellView, ...]: ...
    def __getitem__(self, place: int | slice) -> CellView | tuple[CellView, ...]:
        if isinstance(place, slice):
            return tuple(self[one] for one in range(len(self))[place])
        return self._views[place] or self._idle(place % len(self))

    def __iter__(self) -> Iterator[CellView]:
        return (view or self._idle(place) for place, view in enumerate(self._views))

    def __len__(self) -> int:
        return len(self._views)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]


def _own_jobs(plan: Plan) -> dict[Cell, tuple[str, ...]]:
    """The jobs of each cell in the order of stages; cells in grid order, empty ones left out."""
    table, order = plan.table, {stage: rank for rank, stage in enumerate(OWN_STAGES)}
    ranks = [order.get(kind.stage, -1) for kind in table.kinds]
    sources = [kind.source for kind in table.kinds]
    found: dict[tuple[str, int, int], list[int]] = {}
    columns = zip(table.of_kind, table.of_epoch, table.of_seed, strict=True)
    for place, (kind, epoch_at, seed_at) in enumerate(columns):
        if ranks[kind] >= 0:
            found.setdefault((sources[kind], epoch_at, seed_at), []).append(place)
    epochs = {epoch: at for at, epoch in enumerate(table.epochs)}
    seeds = {seed: at for at, seed in enumerate(table.seeds)}
    own = {}
    for cell in plan.cells:
        key = (cell.source, epochs.get(cell.epoch, -1), seeds.get(cell.seed, -1))
        if places := found.get(key):
            places.sort(key=lambda place: ranks[table.of_kind[place]])
            own[cell] = tuple(table.ids[place] for place in places)
    return own


def _same(now: EngineView, shown: EngineView) -> bool:
    """Equal but for the heartbeat's time and for what the reader itself filled in."""
    return replace(now, heartbeat_at=None, eta_seconds=None, pause="", pause_by="") == replace(
        shown, heartbeat_at=None, eta_seconds=None, pause="", pause_by=""
    ) and (now.eta_seconds is None or now.eta_seconds == shown.eta_seconds)


def _number(raw: Any) -> int:
    return raw if isinstance(raw, int) else 1
