"""The engine's loop: look, decide, act, answer requests, sleep while nothing can change."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections import deque
from dataclasses import replace

from tuilab.engine.answer_requests import Requests
from tuilab.engine.decide.actions import Close, StopWorker
from tuilab.engine.decide.engine_view import describe, note
from tuilab.engine.decide.facts import Facts
from tuilab.engine.decide.notices import news
from tuilab.engine.decide.phase import IN_USE, Phase
from tuilab.engine.decide.tick import decide
from tuilab.engine.decide.workers import may_leave
from tuilab.engine.fold_keeper import FoldKeeper
from tuilab.engine.host import load
from tuilab.engine.host.crash_points import crash_point
from tuilab.engine.host.gpus import look_at_devices
from tuilab.engine.notify import Notifier
from tuilab.engine.startup import Opened
from tuilab.engine.trouble import is_of_the_machine, sentence
from tuilab.grid.engine_view import Meter
from tuilab.store.engine_file import tell_trouble
from tuilab.store.lease import FencedError
from tuilab.store.quarantine import put_folders_away
from tuilab.store.volume import why_no_room

FULL_SECONDS = 0.25
"""Between two looks at everything."""
FAST_SECONDS = 0.02
"""Between two looks at outcomes while something runs: one stat each."""
LATE_SECONDS = 1.0
"""The same and the next where workers are on other machines: a network volume counts the looks."""
BEAT_SECONDS = 2.0
LEAVE_SECONDS = 30.0
"""How long a closed worker may take to leave before it is ended."""
GONE_SECONDS = 60.0
"""So long may the directory be away (a volume that is mounted anew) before the engine leaves."""
MOST_ROUNDS = 200
"""Decisions in a row without sleep; more would be a loop that changes nothing."""


class Engine:
    """One engine of one experiment."""

    def __init__(self, opened: Opened) -> None:
        self.layout = opened.layout
        self.lease = opened.lease
        self.states = opened.states
        self.gatherer = opened.gatherer
        self.performer = opened.performer
        self.requests = Requests(opened)
        self.notifier = Notifier(opened.layout, opened.states)
        self._is_asked_to_leave = False
        self._history: deque[Meter] = deque(maxlen=60)
        self._beat_at = 0.0
        self._sign_at = 0.0
        self._note = ""
        self._busy_at = time.monotonic()
        self._sequence = -1
        self._seen_at = time.monotonic()
        self._fold = FoldKeeper(opened.layout, opened.states)
        self._closing_at: float | None = None
        self._trouble = ""
        self._unsaid = ""
        """Why the trouble could not be told."""

    def run(self) -> bool:
        """Work until nothing is left to do, or a signal asks; runners go on in the latter case.

        True when nothing is left: a wish may have come since the last look at them.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._leave_soon)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        is_done = False
        while not self._is_asked_to_leave and not is_done:
            if self._is_homeless():
                return False
            try:
                is_done = self._round()
                self._is_well()
            except FencedError:
                raise
            except Exception as error:
                self._meet(error)
                time.sleep(1.0)
        asked = "asked to leave; its workers keep running"
        self._leave("nothing is left to do" if is_done else asked)
        return is_done

    def _meet(self, error: Exception) -> None:
        """Wait out the machine's trouble; pause the grid for what is not understood, and say so."""
        what = (is_of_the_machine(error) and why_no_room(self.layout.root)) or sentence(error)
        if what != self._trouble:
            self._say(f"cannot continue now, trying again: {what}")
        self._trouble = what
        with contextlib.suppress(OSError):
            tell_trouble(self.layout, what, time.time())
        try:
            put_folders_away(self.layout, time.time())
            if not isinstance(error, OSError) and not self.states.ledger.pause:
                why = f"an error that the engine does not understand: {what}"
                self.states.record("paused", mode="soft", by="engine", why=why)
            self.requests.answer_all(self._blind())
            self._beat_blind()
        except FencedError:
            raise
        except Exception as second:
            why, before = sentence(second), self._unsaid
            self._unsaid = why
            if why != before:
                self._say(f"nor can it say so: {why}")

    def _is_well(self) -> None:
        if self._trouble:
            self._trouble = self._unsaid = ""
            tell_trouble(self.layout, "", time.time())

    def _blind(self) -> Facts:
        """What is known without a look at anything."""
        return Facts(self.states.plan, self.states.ledger, self.gatherer.policy)

    def _is_homeless(self) -> bool:
        """Whether the experiment was deleted or moved: nobody can ask or see this engine again."""
        now = time.monotonic()
        with contextlib.suppress(OSError):  # a stale mount
            if self.layout.root.is_dir():
                self._seen_at = now
        return now - self._seen_at > GONE_SECONDS

    def _round(self) -> bool:
        """One full look with all that follows from it; True when the engine may leave."""
        crash_point("round")
        if not self._beat_at:
            # Who reads an answer, or of a job that began, must see that the engine lives.
            self._beat_blind()
        if self.requests.are_there():
            self.requests.answer_all(self._act(may_start=False))
        facts = self._act(may_start=not self.requests.wait)
        if facts.attempts or facts.ready:
            self._busy_at = time.monotonic()
        self.notifier.hear()
        for one in news(facts):
            self.notifier.tell(one)
        self._beat(facts)
        self._fold.keep()
        is_idle = may_leave(facts, time.monotonic() - self._busy_at)
        if is_idle and not self.notifier.is_sending:
            return self._close_workers(facts)
        self._closing_at = None
        self._sleep(facts)
        return False

    def _act(self, may_start: bool) -> Facts:
        """Decide and act until nothing more follows, and return the last facts."""
        for _ in range(MOST_ROUNDS):
            facts = self.gatherer.facts()
            actions = decide(facts, may_start)
            for action in actions:
                self.performer.perform(action)
                self._still_here()
            self.performer.record_ends()
            if not actions:
                return facts
            # Only where the journal grew can a new decision differ at once.
            before, self._sequence = self._sequence, self.states.ledger.sequence
            if before == self._sequence:
                return facts
        return facts

    def _beat(self, facts: Facts) -> None:
        """Write engine.json every two seconds, and at once when the reason to wait changes."""
        now = time.monotonic()
        said = note(facts)
        if now - self._beat_at < BEAT_SECONDS and said == self._note:
            return
        devices, loads = load.of_slots(look_at_devices(), facts), load.loads_of(facts)
        taken = load.sample(devices, loads)
        if now - self._beat_at >= BEAT_SECONDS:
            self._history.append(taken)
        now_on = load.with_jobs(taken, devices, loads)
        view = describe(facts, None, now_on, tuple(self._history))
        view = replace(view, place=self.gatherer.workers.place.name)
        self.lease.heartbeat(view, time.time())
        self._beat_at, self._note = now, said

    def _beat_blind(self) -> None:
        self.lease.heartbeat(describe(self._blind(), None, Meter(), ()), time.time())

    def _still_here(self) -> None:
        """Renew what was said last in a long round, such as the start of hundreds of workers."""
        now = time.monotonic()
        if now - max(self._beat_at, self._sign_at) >= BEAT_SECONDS:
            self._sign_at = now
            self.lease.heartbeat(self.lease.view, time.time())

    def _sleep(self, facts: Facts) -> None:
        """Wait for the next full look, or for the first outcome of what runs."""
        seconds = self._rhythm(FULL_SECONDS)
        left = facts.policy.engine_idle_seconds - (time.monotonic() - self._busy_at)
        if left > 0:  # it may leave before that
            seconds = min(seconds, max(FAST_SECONDS, left))
        deadline = time.monotonic() + seconds
        watches = [
            watch
            for attempt in facts.attempts
            if attempt.ending is None
            and (watch := self.gatherer.watcher.watches.get((attempt.job, attempt.number)))
        ]
        while (left := deadline - time.monotonic()) > 0 and not self._is_asked_to_leave:
            if any(watch.files.has_outcome for watch in watches):
                return
            time.sleep(min(self._rhythm(FAST_SECONDS if watches else FULL_SECONDS), left))

    def _rhythm(self, seconds: float) -> float:
        is_elsewhere = any(slot.is_late for slot in self.gatherer.slots)
        return LATE_SECONDS if is_elsewhere else seconds

    def _close_workers(self, facts: Facts) -> bool:
        """Close the warm workers, end those that do not leave in time; True once none is left."""
        here = (worker for worker in facts.workers if worker.phase in IN_USE)
        # One that is silent and was asked to end is not waited for.
        alive = [one for one in here if one.phase is not Phase.SILENT or one.stop is None]
        if not alive:
            return True
        self._closing_at = self._closing_at or time.monotonic()
        is_late = time.monotonic() - self._closing_at > LEAVE_SECONDS
        for worker in alive:
            if worker.phase is Phase.PENDING and worker.stop is None:
                self.performer.perform(StopWorker(worker.id, (), "the engine, which leaves"))
            elif worker.takes_work:
                self.performer.perform(Close(worker.id, "nothing is left to do"))
            elif is_late and worker.stop is None:
                self.performer.perform(StopWorker(worker.id, (), "the engine, which leaves"))
        time.sleep(FULL_SECONDS if is_late else FAST_SECONDS)
        return False

    def _leave(self, why: str) -> None:
        self._is_asked_to_leave = True
        try:
            self.states.record("engine-stopped", why=why, lease=self.lease.holder.token)
            crash_point("leave-before-fold")
            self._fold.keep(force=True)
        except OSError as error:
            self._say(f"could not record the end: {error}")
        self.gatherer.watcher.close()
        with contextlib.suppress(OSError):  # a lock that stays names a dead process
            self.lease.release(time.time())
        self._say(why)

    def _leave_soon(self, number: int, frame: object) -> None:
        self._is_asked_to_leave = True

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the log lies on the same disk
            print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", file=sys.stderr, flush=True)
