"""Turns an experiment directory into snapshots; costs what changed, writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.grid.states import LIVE, Attempt, Evidence
from tuilab.store import results_only
from tuilab.store.derivation import Derivation
from tuilab.store.engine_file import Heartbeat, judge, read_heartbeat
from tuilab.store.experiment import is_results_only
from tuilab.store.file_stamp import NO_FILE, Stamp, stamp_of
from tuilab.store.follow import JournalView
from tuilab.store.layout import Layout
from tuilab.store.live import LiveWatch
from tuilab.store.plan_file import PlanFileError, config_digest, load_plan_file
from tuilab.store.quarantine import quarantined
from tuilab.store.snapshot import Snapshot

_ALIVE = frozenset({EngineState.RUNNING, EngineState.PAUSED, EngineState.WAITING})


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
        if self._results is None:
            self._load_plan()

    def poll(self, now: float) -> Snapshot:
        """Return the state at ``now`` (unix time); the very same object when nothing changed."""
        if self._results is not None:
            return self._results
        is_changed = self.refresh_plan()
        is_changed |= self._read_files()
        engine = judge(self._beat, now)
        is_changed |= self._read_evidence(now, engine.state in _ALIVE)
        shown = self._snapshot
        if shown is not None and not is_changed and _same(engine, shown.engine):
            return shown
        self._sequence += 1
        self._snapshot = self._compose(now, engine)
        return self._snapshot

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
        return self._journal.offset

    @property
    def is_results_only(self) -> bool:
        """True for tables without a plan; there are then no attempts to ask about."""
        return self._results is not None

    def evidence(self, job: str) -> Evidence:
        """All attempts of a job as the last snapshot shows them."""
        return self._evidence_of(job)

    def recorded(self, job: str) -> Evidence:
        """All attempts of a job as the journal has them: what no engine settled is still live."""
        return self._journal.ledger.of(job)

    def _load_plan(self) -> None:
        self._has_changed(self.layout.plan)
        self._file = load_plan_file(self.layout.root)
        self.plan = self._file.plan
        self._plan_problem = ""
        self._config_changed = self._differs_from_config()
        self._journal = JournalView(self.layout)
        self._derivation: Derivation | None = None
        self._live = LiveWatch(self.layout, self.plan)

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

    def _read_evidence(self, now: float, engine_alive: bool) -> bool:
        touched, is_fresh = self._journal.read(self.plan, engine_alive)
        if is_fresh:
            self._derivation = None
            self._live = LiveWatch(self.layout, self.plan)
        for job in touched:
            self._live.follow(job, _live_attempt(self._journal.ledger.of(job)))
        touched |= self._live.look(now, engine_alive, self._last_attempt)
        if self._derivation is None:
            self._derivation = Derivation(self.plan, self._evidence_of, self._live.percent)
            self._journal.take_news()
            return True
        has_news = self._journal.take_news()
        return self._derivation.refresh(touched) or has_news

    def _last_attempt(self, job: str) -> Attempt:
        last = self._journal.ledger.of(job).last
        assert last is not None, "only jobs with a live attempt are watched"
        return last

    def _evidence_of(self, job: str) -> Evidence:
        """What the journal says of a job, its live attempt as the files show it now."""
        known = self._journal.ledger.of(job)
        live = _live_attempt(known)
        if live is None:
            return known
        shown = self._live.override(job, live)
        return known if shown is live else replace(known, attempts=(*known.attempts[:-1], shown))

    def _compose(self, now: float, engine: EngineView) -> Snapshot:
        assert self._derivation is not None, "evidence is read before"
        plan, ledger, picture = self.plan, self._journal.ledger, self._derivation
        if engine.eta_seconds is None:
            workers = engine.workers or _number(plan.resources.get("workers"))
            left = picture.clock.left(workers, _mapping(plan.resources.get("estimates")))
            engine = replace(engine, eta_seconds=left)
        if (ledger.pause, ledger.pause_by) != (engine.pause, engine.pause_by):
            engine = replace(engine, pause=ledger.pause, pause_by=ledger.pause_by)
        return Snapshot(
            name=plan.experiment,
            root=self.layout.root,
            sources=plan.sources,
            labels=plan.labels,
            epochs=plan.epochs,
            seeds=plan.seeds,
            target=plan.target,
            cells=picture.cells,
            shared=picture.shared,
            engine=engine,
            counts=picture.counts,
            sequence=self._sequence,
            taken_at=now,
            synthetic=plan.synthetic,
            reference=plan.reference,
            headline_cosine=plan.headline_cosine,
            queue=picture.queue(ledger.order),
            events=tuple(self._journal.events),
            problems=self._problems(),
            config_changed=self._config_changed,
        )

    def _problems(self) -> tuple[str, ...]:
        found = [*self._journal.problems, *self._quarantine]
        return (self._plan_problem, *found) if self._plan_problem else tuple(found)

    def _differs_from_config(self) -> bool:
        """A config that is missing or was never recorded counts as unchanged."""
        now = config_digest(self.layout)
        return bool(now and self._file.config_digest and now != self._file.config_digest)

    def _has_changed(self, path: Path) -> bool:
        before, now = self._stamps.get(path, NO_FILE), stamp_of(path)
        self._stamps[path] = now
        return before != now


def _live_attempt(evidence: Evidence) -> Attempt | None:
    last = evidence.last
    return last if last is not None and last.verdict in LIVE else None


def _same(now: EngineView, shown: EngineView) -> bool:
    """Equal but for the heartbeat's time and for what the reader itself filled in."""
    return replace(now, heartbeat_at=None, eta_seconds=None, pause="", pause_by="") == replace(
        shown, heartbeat_at=None, eta_seconds=None, pause="", pause_by=""
    ) and (now.eta_seconds is None or now.eta_seconds == shown.eta_seconds)


def _number(raw: Any) -> int:
    return raw if isinstance(raw, int) else 1


def _mapping(raw: Any) -> Mapping[str, Any]:
    return raw if isinstance(raw, dict) else {}
