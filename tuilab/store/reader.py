"""Turns an experiment directory into snapshots; costs what changed, writes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.grid.notes import EXPERIMENT, NO_NOTE
from tuilab.grid.stages import Stage
from tuilab.grid.states import Evidence
from tuilab.store.engine_file import Heartbeat, in_copy, judge, read_heartbeat, read_trouble
from tuilab.store.experiment_id import CopyWatch
from tuilab.store.file_stamp import NO_FILE, Stamp, stamp_of
from tuilab.store.find_experiments import is_results_only
from tuilab.store.installed_code import CodeWatch
from tuilab.store.layout import Layout
from tuilab.store.plan_file import PlanFileError, is_other_config, load_plan_file
from tuilab.store.snapshot import Snapshot


class Reader:
    """One reader of one experiment; keeps what it has read and takes in what is new.

    Opens experiments with a plan and directories of results alone. Raises PlanFileError (or
    ResultsError) with what to do next when there is nothing that can be shown.

    ``is_once`` is for one picture alone: it has no events and no queue, and most of its cells are
    made where they are seen.
    """

    def __init__(self, root: Path, *, is_once: bool = False) -> None:
        self.layout, self._is_once = Layout(root), is_once
        self._results = _read_results(root) if is_results_only(root) else None
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
        is_changed |= self._look_at_code()
        engine = self._engine(now)
        is_changed |= self._read_state(now, engine)
        shown = self._snapshot
        if shown is not None and not is_changed and _same(engine, shown.engine):
            return shown
        self._sequence += 1
        self._snapshot = self._compose(now, engine)
        return self._snapshot

    def _engine(self, now: float) -> EngineView:
        if of := self._copy_watch.look():
            return in_copy(of, self.layout.root)
        return judge(self._beat, now, read_trouble(self.layout, self._beat))

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
        from tuilab.store.state import StateReader  # of no use to results alone

        self._has_changed(self.layout.plan)
        self._file = load_plan_file(self.layout.root)
        self.plan = self._file.plan
        self._plan_problem = ""
        self._config_changed = is_other_config(self.layout, self._file.config_digest)
        self._other_code: tuple[Stage, ...] = ()
        self._code = CodeWatch(self.plan, self._file.sources_digest)
        self._state = StateReader(
            self.layout, self.plan, keeps_events=not self._is_once, is_once=self._is_once
        )

    def _read_files(self) -> bool:
        """Look at the small files beside the journal; True if a snapshot must tell."""
        is_changed = False
        if self._has_changed(self.layout.engine):
            self._beat = read_heartbeat(self.layout)
        if self._has_changed(self.layout.config):
            self._config_changed = is_other_config(self.layout, self._file.config_digest)
            is_changed = True
        if self._has_changed(self.layout.quarantine):
            from tuilab.store.quarantine import quarantined  # few experiments have one

            found = quarantined(self.layout)
            self._quarantine = tuple(f"{item.was} is in quarantine: {item.why}" for item in found)
            is_changed = True
        return is_changed

    def _look_at_code(self) -> bool:
        """Hold the plan against the runners' code; from the second look on: people wait for one.

        True if a snapshot must tell.
        """
        if self._snapshot is None and not self._is_once:
            return False
        before, self._other_code = self._other_code, self._code.look()
        return before != self._other_code

    def _read_state(self, now: float, engine: EngineView) -> bool:
        """Look at journal and live attempts; True if a snapshot must tell."""
        changes = self._state.read(now, engine)
        has_news = self._state.journal.take_news()
        if changes is None:
            from tuilab.store.cell_views import CellViews  # of no use to results alone

            self._cells = CellViews(self._state, self._is_once)
            if not self._is_once:
                self._cells.make_plain()
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
        if engine.state is EngineState.PAUSED and not pause:  # the heartbeat is from before
            engine = replace(engine, state=EngineState.RUNNING, note="")
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
            other_code=self._other_code,
            note=journal.ledger.notes.get(EXPERIMENT, NO_NOTE),
            config_digest=self._file.config_digest,
            gpu_seconds=journal.ledger.spent,
            measured=plan.measured,
        )

    def _problems(self) -> tuple[str, ...]:
        found = [*self._state.journal.problems, *self._quarantine]
        return (self._plan_problem, *found) if self._plan_problem else tuple(found)

    def _has_changed(self, path: Path) -> bool:
        before, now = self._stamps.get(path, NO_FILE), stamp_of(path)
        self._stamps[path] = now
        return before != now


def _read_results(root: Path) -> Snapshot:
    from tuilab.store.results_only import read_results  # of no use to an experiment with a plan

    return read_results(root)


def _same(now: EngineView, shown: EngineView) -> bool:
    """Equal but for what every heartbeat changes and for what the reader itself filled in."""
    is_as_long = now.eta_seconds is None or now.eta_seconds == shown.eta_seconds
    return is_as_long and _lasting(now) == _lasting(shown)


def _lasting(view: EngineView) -> EngineView:
    return replace(view, heartbeat_at=None, eta_seconds=None, pause="", pause_by="", sequence=0)


def _number(raw: Any) -> int:
    return raw if isinstance(raw, int) else 1
