"""Carries out what was decided; the only caller of the place, the claims and the inboxes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from tuilab.contract import worker as worker_files
from tuilab.contract.foreign import clean_line
from tuilab.contract.hub import MOVED
from tuilab.contract.parsing import read
from tuilab.contract.reasons import Exit
from tuilab.contract.report import LOG_FILE, OUTCOME_FILE, Outcome, readable_outcome
from tuilab.contract.spec import SPEC_FILE, Spec
from tuilab.contract.tail import last_words
from tuilab.contract.worker import EXIT_FILE, STOP_FILE, UNREADABLE_EXIT
from tuilab.engine.base_commits import keep_commits, note_branch
from tuilab.engine.claim import CannotClaimError, claim
from tuilab.engine.decide import actions
from tuilab.engine.decide.actions import Action
from tuilab.engine.decide.facts import NO_DEVICE, Slot
from tuilab.engine.decide.phase import RETIRED, Phase, Word
from tuilab.engine.gather import Gatherer
from tuilab.engine.host.crash_points import crash_point
from tuilab.engine.host.environment import threads_for, worker_environment
from tuilab.engine.host.gpus import find, look_at_devices
from tuilab.engine.host.model_hub import is_offline
from tuilab.engine.trouble import is_of_the_machine, sentence
from tuilab.engine.workers import WorkerRecord
from tuilab.grid.endings import Ending, settled
from tuilab.grid.jobs import parse_job_id
from tuilab.grid.metrics import recorded
from tuilab.grid.stages import Stage
from tuilab.grid.states import Attempt, Verdict, other_bytes
from tuilab.grid.text import whole_percent
from tuilab.store import attempts
from tuilab.store.attempts import CLAIM_FILE, Claim
from tuilab.store.evidence import settled_line
from tuilab.store.lease import FencedError
from tuilab.store.quarantine import set_aside
from tuilab.store.scrub import scrub


class Performer:
    """Acts on one experiment; each method carries out one kind of action."""

    def __init__(self, gatherer: Gatherer, launch: Mapping[str, Any]) -> None:
        self.states = gatherer.states
        self.gatherer = gatherer
        self.workers = gatherer.workers
        self.watcher = gatherer.watcher
        self.layout = gatherer.layout
        self._scrubs = ThreadPoolExecutor(1, thread_name_prefix="scrub")
        self.launch = launch
        """Provenance for the specs."""
        self._do: dict[type[Any], Callable[[Any], None]] = {
            actions.Launch: self._launch,
            actions.Assign: self._assign,
            actions.RecordStart: self._record_start,
            actions.Settle: self._settle,
            actions.Retire: self._retire,
            actions.EndTree: self._end_tree,
            actions.StopWorker: self._stop_worker,
            actions.Withdraw: self._withdraw,
            actions.Suspend: lambda one: self.workers.suspend(self._worker(one), one.on),
            actions.HoldBack: self._hold_back,
            actions.Close: lambda one: self.workers.close(self._worker(one)),
            actions.CallStalled: self._call_stalled,
            actions.Pause: self._pause,
            actions.Resume: lambda one: self.states.record("resumed", by="engine", why=one.why),
            actions.FetchAgain: self._fetch_again,
        }

    def perform(self, action: Action) -> None:
        """Carry out one action; OSError when the machine takes nothing, to be tried again later.

        What goes wrong with one job or worker costs that one, whatever it is.
        """
        try:
            self._do[type(action)](action)
        except FencedError:
            raise
        except Exception as error:
            if is_of_the_machine(error):
                raise
            self._give_up(action, sentence(error))

    def _give_up(self, action: Action, why: str) -> None:
        """Let the job or the worker of an action that cannot be carried out pay for it."""
        if isinstance(action, actions.Settle):
            ending = Ending(Verdict.SUSPECT, "unknown", f"cannot be settled: {why}")
            self._settle(actions.Settle(action.job, action.number, ending))
        elif (job := getattr(action, "job", "")) and not self.states.ledger.of(job).held:
            self.states.record("held", jobs=[job], why=why)
        elif (worker := self.workers.known.get(getattr(action, "worker", ""))) is not None:
            self.workers.give_up(worker, why)
        else:
            raise RuntimeError(why)

    def record_ends(self) -> None:
        """Journal the workers that are gone, once, and drop those that owe nothing."""
        owing = {self._last(job).worker for job in self.states.live}
        for worker in list(self.workers.known.values()):
            if worker.sighting.phase is not Phase.GONE:
                continue
            if not worker.is_ended:
                self._record_end(worker, worker.sighting.exit or Exit())
            if worker.id not in owing:
                self.workers.forget(worker.id)

    def _launch(self, action: actions.Launch) -> None:
        policy, slots = self.gatherer.policy, self.gatherer.slots
        slot = Slot(len(slots), NO_DEVICE) if action.slot is None else slots[action.slot]
        seen = find(slot.device, look_at_devices()) if slot.device else None
        uuid = seen.promise if seen is not None else ""
        worker = self.workers.make(slot, policy, uuid, self.states.plan.code_version)
        crash_point("launch-after-worker-dir")
        if action.job and not self._claim_for(worker, action.job):
            self.workers.retire(worker)
            return
        crash_point("launch-before-spawn")
        environment = worker_environment(
            os.environ,
            policy.threads or (threads_for(len(slots)) if slot.device else None),
            "" if policy.devices == "none" else slot.device,
            uuid=uuid,
            offline=self._is_offline(),
        )
        self.workers.place.submit(worker.folder, environment)
        crash_point("launch-after-spawn")
        where = {"device": slot.device} if slot.device else {}
        held = {} if seen is None else {"device_bytes": seen.memory_used}
        self.states.record("worker-started", worker=worker.id, slot=slot.index, **where, **held)

    def _is_offline(self) -> bool:
        ledger = self.states.ledger
        has_result = ledger.spent > 0 and any(one.last_done for one in ledger.evidence.values())
        return is_offline(self.gatherer.policy, self.gatherer.on_hub, has_result, os.environ)

    def _worker(self, action: Any) -> WorkerRecord:
        return self.workers.known[action.worker]

    def _last(self, job: str) -> Attempt:
        return self.states.ledger.of(job).attempts[-1]

    def _assign(self, action: actions.Assign) -> None:
        worker, job = self._worker(action), action.job
        if action.claimed:
            self.workers.give(worker, job, self.layout.attempt_dir(job, action.claimed))
        else:
            self._claim_for(worker, job)

    def _claim_for(self, worker: WorkerRecord, job: str) -> bool:
        try:
            number = claim(
                self.layout,
                self.states,
                self.states.plan.by_id[job],
                worker.id,
                self.launch,
                self.workers.experiment,
            )
        except CannotClaimError as error:
            self.states.record("held", jobs=[job], why=str(error))
            return False
        self.workers.give(worker, job, self.layout.attempt_dir(job, number))
        crash_point("assign-after-inbox")
        return True

    def _record_start(self, action: actions.RecordStart) -> None:
        job, number = action.job, action.number
        entries: list[dict[str, Any]] = [
            {"kind": "started", "job": job, "attempt": number, "started_at": action.started_at}
        ]
        if action.was_lost:
            text = f"{job} attempt {number} counted as lost, but it writes again: it is running"
            entries.append({"kind": "note", "text": text, "job": job})
            if self.states.ledger.of(job).is_due:
                entries.append({"kind": "unwanted", "jobs": [job], "by": "engine", "why": text})
        self.states.record_all(entries)
        self._has_served(job)

    def _settle(self, action: actions.Settle) -> None:
        ending = action.ending
        if ending.started_at is not None:
            self._has_served(action.job)
        entries: list[dict[str, Any]] = []
        if action.retry:
            wanted = {action.job: action.number + 1}
            entries.append(
                {"kind": "wanted", "jobs": wanted, "verb": "retry", "by": "engine",
                 "why": action.retry}
            )  # fmt: skip
        evidence = self.states.ledger.of(action.job)
        attempt = next(one for one in evidence.attempts if one.number == action.number)
        peak = {"peak_device": ending.peak_device} if ending.peak_device else {}
        line = settled_line(action.job, settled(attempt, ending))
        entries.append({**line, "metrics": self._numbers(action), **peak})
        if text := other_bytes(action.job, evidence, action.number, ending.checkpoints):
            entries.append({"kind": "note", "text": text, "job": action.job})
        if action.hold:
            entries.append({"kind": "held", "jobs": [action.job], "why": action.hold})
        crash_point("settle-before-journal")
        if ending.verdict is Verdict.SUSPECT:
            self._set_damaged_files_aside(action.job, action.number)
        self.states.record_all(entries)
        crash_point("settle-after-journal")
        self.watcher.forget(action.job, action.number)
        self._scrub(self.layout.attempt_dir(action.job, action.number) / LOG_FILE)
        if ending.verdict is Verdict.DONE:
            stage = parse_job_id(action.job)[0]
            known = self.gatherer.measured.get(stage, 0)
            self.gatherer.measured[stage] = max(known, ending.bytes)
            if stage is Stage.FETCH:
                self._learn_commit(action)

    def _scrub(self, log: Path) -> None:
        """Blank out secrets in a log that has ended, beside the loop: it may be long."""

        def work() -> None:
            with suppress(OSError):  # it stays private
                scrub(log)

        self._scrubs.submit(work)

    def _learn_commit(self, action: actions.Settle) -> None:
        outcome = readable_outcome(self.layout.attempt_dir(action.job, action.number))
        told = outcome.metrics.get(MOVED) if outcome is not None else None
        if isinstance(told, str) and (job := self.states.plan.by_id.get(action.job)):
            note_branch(self.states, job, told)
        if keep_commits(self.layout, self.states):
            self.gatherer.take_plan()

    def _numbers(self, action: actions.Settle) -> dict[str, Any]:
        """What a done attempt measured, for the journal; nothing is decided by it."""
        job = self.states.plan.by_id.get(action.job)
        if job is None or action.ending.verdict is not Verdict.DONE:
            return {}
        outcome = readable_outcome(self.layout.attempt_dir(action.job, action.number))
        return recorded(self.states.plan, job, outcome.metrics) if outcome is not None else {}

    def _set_damaged_files_aside(self, job: str, number: int) -> None:
        folder = self.layout.attempt_dir(job, number)
        for name, kind in ((OUTCOME_FILE, Outcome), (SPEC_FILE, Spec), (CLAIM_FILE, Claim)):
            try:
                read(folder / name, kind)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                why = str(error) if isinstance(error, ValueError) else str(error.strerror)
                set_aside(self.layout, folder / name, why, time.time())

    def _retire(self, action: actions.Retire) -> None:
        worker = self._worker(action)
        self.workers.retire(worker)
        if worker.opinion.word is Word.RUNNING:  # it holds its machine, and never came up
            self.workers.place.cancel(worker.folder, force=True)

    def _end_tree(self, action: actions.EndTree) -> None:
        worker = self._worker(action)
        worker.orphaned_at = worker.orphaned_at or time.monotonic()
        self.workers.place.cancel(worker.folder, force=action.force)

    def _stop_worker(self, action: actions.StopWorker) -> None:
        """Intent first: whoever settles the attempt later must know that a person ended it."""
        worker, now = self._worker(action), time.time()
        if not action.is_stall:
            for job in action.jobs:
                folder = self.layout.attempt_dir(job, self._last(job).number)
                attempts.write_stop(folder, worker_files.Stop(action.by, now))
        stop = worker_files.Stop(action.by, now, action.jobs, action.is_stall)
        self.workers.ask_to_stop(worker, stop)
        crash_point("stop-before-signal")
        self.workers.place.cancel(worker.folder)
        if worker.sighting.phase is Phase.PENDING:
            self.workers.retire(worker)  # if it comes up all the same, it leaves at once

    def _withdraw(self, action: actions.Withdraw) -> None:
        """Take an assignment back that waits behind another; if it has begun, end the worker."""
        number = self._last(action.job).number
        folder = self.layout.attempt_dir(action.job, number)
        self.workers.take_back(self._worker(action), folder)
        ahead = self.layout.attempt_dir(action.behind, self._last(action.behind).number)
        if (ahead / OUTCOME_FILE).exists() or any(folder.glob("events*")):
            self._stop_worker(actions.StopWorker(action.worker, (action.job,), action.by))
            return
        attempts.write_stop(folder, worker_files.Stop(action.by, time.time()))
        ending = Ending(Verdict.STOPPED, detail=f"stopped by {action.by}", by=action.by)
        self._settle(actions.Settle(action.job, number, ending))

    def _hold_back(self, action: actions.HoldBack) -> None:
        with suppress(OSError):  # a full disk must not keep a person's resume from being answered
            worker_files.mark(self._worker(action).folder, worker_files.HOLD_FILE, action.on)

    def _call_stalled(self, action: actions.CallStalled) -> None:
        watch = self.watcher.watches[action.job, action.number]
        watch.is_called_stalled = True
        self.states.record("note", text=action.text + self._device_use(action.job), job=action.job)

    def _device_use(self, job: str) -> str:
        """Say how busy the device of a job's worker is; "" where that is not known."""
        worker = self.workers.known.get(self._last(job).worker)
        found = find(worker.device, look_at_devices()) if worker and worker.device else None
        if found is None or found.percent is None:
            return ""
        return f"; GPU {found.index} is {whole_percent(found.percent)} busy"

    def _pause(self, action: actions.Pause) -> None:
        when = {} if action.seconds is None else {"until": time.time() + action.seconds}
        self.states.record("paused", mode="soft", by=action.by, why=action.why, **when)
        self.gatherer.failed_starts = 0

    def _fetch_again(self, action: actions.FetchAgain) -> None:
        why = "the base is not whole in the cache of this machine"
        wanted = {action.job: self._last(action.job).number + 1}
        self.states.record("wanted", jobs=wanted, verb="retry", by="engine", why=why)

    def _has_served(self, job: str) -> None:
        worker = self.workers.known.get(self._last(job).worker)
        if worker is not None:
            worker.has_served = True
            self.gatherer.failed_starts = 0

    def _record_end(self, worker: WorkerRecord, end: Exit) -> None:
        self.states.record("worker-ended", worker=worker.id, exit=end.exit_code, why=end.why)
        worker.is_ended = True
        self._scrub(worker.folder / worker_files.LOG_FILE)
        if end.why == UNREADABLE_EXIT:
            set_aside(self.layout, worker.folder / EXIT_FILE, end.why, time.time())
        was_retired = worker.lease is None or worker.lease.retired
        fell = end.exit_code not in (0, None) or was_retired
        if fell and not worker.has_served and not (worker.folder / STOP_FILE).exists():
            why = "" if end.why == RETIRED else end.why
            self.gatherer.failed_starts += 1
            told = filter(None, (why, _last_words(worker.folder)))
            self.gatherer.failed_why = "; ".join(told)


def _last_words(folder: Path) -> str:
    """Quote the end of a worker's log, and say where that lies; "" where there is none."""
    log = folder / worker_files.LOG_FILE
    words = clean_line(last_words(log), 120)
    return f"{folder.name}/{log.name} ends with: {words}" if words else ""
