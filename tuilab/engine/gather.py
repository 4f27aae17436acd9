"""Gathers the facts of one moment: looks at workers first, then at what their attempts left."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tuilab.contract import hub
from tuilab.contract.reasons import Reason
from tuilab.contract.worker import read_stop
from tuilab.engine.decide import disk_needs
from tuilab.engine.decide.facts import Disk, Facts, LiveAttempt, Slot
from tuilab.engine.decide.phase import IN_USE, Phase
from tuilab.engine.decide.policy import Policy, policy_of
from tuilab.engine.host.model_hub import HubTrial, on_hub
from tuilab.engine.places import take_options
from tuilab.engine.state import JournaledStates
from tuilab.engine.trouble import is_of_the_machine, sentence
from tuilab.engine.watch_attempts import Watcher, last_lines
from tuilab.engine.workers import Workers
from tuilab.grid.endings import Ending
from tuilab.grid.jobs import Job, fetches
from tuilab.grid.ledger import HUB
from tuilab.grid.stages import Stage
from tuilab.grid.states import Verdict
from tuilab.store.attempts import has_saved_state
from tuilab.store.installed_code import CodeWatch, code_changed
from tuilab.store.layout import Layout
from tuilab.store.plan_file import planned_digest
from tuilab.store.volume import why_no_room, why_no_write

DISK_SECONDS = 5.0
"""Age at which a test write is repeated while something is to start or running."""
SHORT_SECONDS = 1.0
"""The same while there is too little room: somebody may be making some."""
FULL_SECONDS = 120.0
"""How long a full disk may explain a death that left no word."""


class Gatherer:
    """Keeps what is dear to read (disk, devices) for as long as it may be believed."""

    def __init__(
        self, layout: Layout, states: JournaledStates, workers: Workers, watcher: Watcher
    ) -> None:
        self.layout = layout
        self.states = states
        self.workers = workers
        self.watcher = watcher
        self.failed_starts = 0
        self.failed_why = ""
        self.measured: dict[Stage, int] = {}
        """Largest artefacts of an attempt so far, by stage, in bytes."""
        self._disk = Disk(free=0)
        self._disk_at = -DISK_SECONDS
        self._full = ""
        self._full_at = -FULL_SECONDS
        self._hub = HubTrial(os.environ)
        self._absent: tuple[str, ...] = ()
        self._absent_of: tuple[object, ...] = ()
        self._absent_at = -DISK_SECONDS
        self.take_plan()

    def take_plan(self) -> None:
        """Read what depends on the plan alone."""
        plan = self.states.plan
        self.policy: Policy = policy_of(plan)
        self.costs = disk_needs.costs_of(plan)
        self.states.forecast = None
        self._code: CodeWatch | None = None
        self.on_hub = on_hub(plan)
        self._fetches = fetches(plan)
        take_options(self.workers.place, plan.resources)
        self.slots: tuple[Slot, ...] = self.workers.place.slots(self.policy, frozenset())

    def facts(self) -> Facts:
        """Return all that one decision needs; workers are read before the outcomes they left."""
        self.workers.look()
        self.workers.seat(self.slots)
        attempts = tuple(self._look_at(job) for job in sorted(self.states.live))
        given: dict[str, list[LiveAttempt]] = {}
        for attempt in attempts:
            given.setdefault(attempt.worker, []).append(attempt)
        code = self.states.plan.code_version
        workers = tuple(
            self.workers.describe(worker, self._queue(worker.given, given.get(worker.id, ())), code)
            for worker in self.workers.known.values()
        )
        missing = tuple(
            self._look_at(job) for job in sorted(self.states.missing) if self._may_live(job)
        )
        ready = self.states.ready
        used = {worker.slot for worker in workers if worker.phase in IN_USE}
        seconds, seconds_left, gpu_seconds_left = self._within_limit(attempts)
        slots = self.workers.place.slots(self.policy, used) if ready else self.slots
        is_elsewhere = any(slot.is_late for slot in slots)  # there a runner fetches what it lacks
        return Facts(
            plan=self.states.plan,
            ledger=self.states.ledger,
            policy=self.policy,
            ready=ready,
            attempts=attempts,
            missing=missing,
            workers=workers,
            slots=slots,
            disk=self._room() if ready or attempts else Disk(free=1 << 62),
            failed_starts=self.failed_starts,
            failed_why=self.failed_why,
            peaks=self.states.peaks,
            places=self.states.places,
            seconds=seconds,
            seconds_left=seconds_left,
            gpu_seconds_left=gpu_seconds_left,
            hub_answers=self._hub_answers(),
            absent_bases=self._absent_bases() if ready and not is_elsewhere else (),
            code_problem=self._code_problem() if ready or attempts else "",
        )

    def _code_problem(self) -> str:
        """Say that what began now would run other code than it would be recorded under."""
        if self._code is None:
            planned = planned_digest(self.layout, "sources_digest")
            self._code = CodeWatch(self.states.plan, planned)
        said = code_changed(self._code.look())
        return f"{said}: `tuilab run` plans it again" if said else ""

    def _within_limit(
        self, attempts: tuple[LiveAttempt, ...]
    ) -> tuple[Mapping[str, float], float | None, float | None]:
        """Return the forecast of each job, and what a limit of the run leaves for new ones."""
        ledger = self.states.ledger
        has_wall_time = any(one.seconds_left is not None for one in self.workers.known.values())
        if not ledger.limit and not has_wall_time:
            return {}, None, None
        now = time.time()
        seconds = self.states.forecast_by(self.costs).seconds if self.costs else {}
        until, most = ledger.limit.until, ledger.limit.gpu_seconds
        if most is not None:
            most -= ledger.spent - ledger.spent_before
            for one in attempts:
                spent = 0.0 if one.begun_at is None else max(0.0, now - one.begun_at)
                most -= max(spent, seconds.get(one.job, 0.0))
        return seconds, None if until is None else until - now, most

    def _hub_answers(self) -> bool:
        """Whether the hub that the grid waits for answers again; never waits for it here."""
        ledger = self.states.ledger
        if not ledger.pause or ledger.pause_by != HUB:
            self._hub.forget()
            return False
        if ledger.pause_until is not None and time.time() < ledger.pause_until:
            return False
        return self._hub.answers(self.policy.hub_wait_seconds)

    def _absent_bases(self) -> tuple[str, ...]:
        """Bases that this machine's cache lacks: a first start, another pod, a cleared cache."""
        known = tuple(self.states.ledger.of(job.id).last for job in self._fetches)
        now = time.monotonic()
        if known != self._absent_of or now - self._absent_at > DISK_SECONDS:
            self._absent_of, self._absent_at = known, now
            self._absent = tuple(job.id for job in self._fetches if self._is_absent(job))
        return self._absent

    def _is_absent(self, job: Job) -> bool:
        asked = self.states.plan.settings[job.settings]
        commit = self.states.base_commit(job.id) or asked["revision"]
        return hub.fetched(asked["model"], commit, os.environ) is None

    def _may_live(self, job: str) -> bool:
        worker = self.workers.known.get(self.states.ledger.of(job).attempts[-1].worker)
        return worker is not None and worker.sighting.phase in (Phase.FOREIGN, Phase.ALIVE)

    def _look_at(self, job: str) -> LiveAttempt:
        """Look at an attempt; one that cannot be looked at is suspect and says why."""
        try:
            return self._attempt(job)
        except Exception as error:
            if is_of_the_machine(error):
                raise
            last = self.states.ledger.of(job).attempts[-1]
            ending = Ending(Verdict.SUSPECT, "unknown", f"cannot be read: {sentence(error)}")
            return LiveAttempt(job, last.number, last.worker, ending=ending)

    def _attempt(self, job: str) -> LiveAttempt:
        last = self.states.ledger.of(job).attempts[-1]
        watch = self.watcher.watch(job, last.number, last.token)
        worker = self.workers.known.get(last.worker)
        phase = worker.sighting.phase if worker is not None else Phase.GONE
        silent = self.watcher.look(watch, is_elsewhere=phase is Phase.FOREIGN)
        is_gone = phase is Phase.GONE
        stop = read_stop(watch.files.folder) if is_gone else None
        ending = self.watcher.ending(watch, self.states.plan)
        is_cut_short = is_gone if ending is None else ending.reason == Reason.KILLED
        is_silent = silent > self.policy.stall_minutes * 60
        return LiveAttempt(
            job=job,
            number=last.number,
            worker=last.worker,
            is_assigned=worker is not None and watch.files.folder in worker.given,
            begun_at=watch.files.begun_at,
            is_recorded=last.verdict is Verdict.RUNNING,
            ending=ending,
            silent_seconds=silent,
            has_spoken=watch.has_spoken,
            is_called_stalled=watch.is_called_stalled,
            stopped_by=stop.by if stop is not None else None,
            log=last_lines(watch) if is_gone or is_silent else (),
            has_saved=is_cut_short and has_saved_state(self.layout, job, last.number),
            transfer=watch.files.transfer,
        )

    def _queue(self, given: Mapping[Path, int], mine: Sequence[LiveAttempt]) -> tuple[str, ...]:
        """Jobs of a worker's live attempts in the order of its inbox, undelivered ones last."""
        folders = {a.job: self.layout.attempt_dir(a.job, a.number) for a in mine}
        return tuple(
            sorted((a.job for a in mine), key=lambda job: given.get(folders[job], 1 << 30))
        )

    def _room(self) -> Disk:
        is_short = self._disk.problem or self._disk.free < self.policy.reserve_bytes
        limit = SHORT_SECONDS if is_short else DISK_SECONDS
        if time.monotonic() - self._disk_at > limit:
            needs = disk_needs.disk_needs(self.states.plan, self.costs, self.policy, self.measured)
            problem = why_no_room(self.layout.root)
            if not problem and (why := why_no_write(self.layout.jobs)):
                problem = f"{self.layout.jobs} takes no more data ({why})"
            self._disk_at = time.monotonic()
            if problem:
                self._full_at, self._full = self._disk_at, problem
            lately = self._full if self._disk_at - self._full_at < FULL_SECONDS else ""
            self._disk = Disk(shutil.disk_usage(self.layout.root).free, problem, lately, needs)
        return self._disk
