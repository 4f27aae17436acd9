"""Watches live attempts: when they begin, when they speak, when their outcome can be believed."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYetError
from dataclasses import dataclass

from tuilab.contract.report import LOG_FILE
from tuilab.contract.spec import SPEC_FILE, read_spec
from tuilab.contract.tail import tail_lines
from tuilab.grid.endings import Ending
from tuilab.grid.jobs import Job, Plan
from tuilab.grid.states import Verdict
from tuilab.store.layout import Layout
from tuilab.store.live_attempts import AttemptFiles
from tuilab.store.settlement import settlement

PATIENCE = 0.05
"""Seconds a look waits for a verification: most take less, and a large one must not block."""


@dataclass(slots=True)
class Watch:
    """What is remembered of one live attempt between two looks."""

    job: str
    number: int
    token: str
    files: AttemptFiles
    spoke: float | None = None
    """Monotonic time of its last event, or of the first look; None before that."""
    has_spoken: bool = False
    """It wrote an event since the first look."""
    is_called_stalled: bool = False
    verification: Future[Ending] | None = None


class Watcher:
    """The watches of all live attempts, and the thread that re-reads artefacts."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.watches: dict[tuple[str, int], Watch] = {}
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="verify")

    def watch(self, job: str, number: int, token: str) -> Watch:
        """Return the watch of an attempt."""
        key = (job, number)
        if key not in self.watches:
            files = AttemptFiles(self.layout.attempt_dir(job, number))
            self.watches[key] = Watch(job, number, token, files)
        return self.watches[key]

    def look(self, watch: Watch, is_elsewhere: bool) -> float:
        """Take in new events of an attempt and return the seconds since the last.

        Its silence counts from the first look, whatever the wall clock says. On another host it
        counts from its last sign: there a reader without an engine has called it lost already.
        """
        is_new = watch.files.read()
        now = time.monotonic()
        if watch.spoke is None:
            told = time.time() - watch.files.last_sign_at if is_elsewhere else 0.0
            watch.spoke = now - max(0.0, told)
        elif is_new:
            watch.spoke = now
            watch.is_called_stalled = False
            watch.has_spoken = True
        return now - watch.spoke

    def ending(self, watch: Watch, plan: Plan) -> Ending | None:
        """Return the believed outcome of an attempt, or None while there is none yet."""
        if watch.verification is None:
            if not watch.files.has_outcome:
                return None
            watch.verification = self._pool.submit(verify, self.layout, plan, watch)
        try:
            return watch.verification.result(timeout=PATIENCE)
        except NotYetError:
            return None

    def forget(self, job: str, number: int) -> None:
        """Drop an attempt that is settled."""
        self.watches.pop((job, number), None)

    def close(self) -> None:
        """End the verifying threads without waiting."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def verify(layout: Layout, plan: Plan, watch: Watch) -> Ending:
    """Re-read an attempt's artefacts and say what its outcome is worth; raises nothing."""
    job: Job | None = plan.by_id.get(watch.job)
    if job is None:
        return Ending(Verdict.SUSPECT, detail="the plan no longer has this job")
    try:
        if read_spec(watch.files.folder / SPEC_FILE).token != watch.token:
            return Ending(Verdict.SUSPECT, "unknown", "its spec is not the one that was claimed")
        found = settlement(layout, plan, job, watch.number)
    except Exception as error:  # a checker that breaks must not take the engine with it
        return Ending(Verdict.SUSPECT, "unknown", f"its artefacts could not be checked: {error}")
    return found or Ending(Verdict.SUSPECT, "unknown", "its outcome vanished")


def last_lines(watch: Watch) -> tuple[str, ...]:
    """Return the last lines of an attempt's log."""
    return tuple(tail_lines(watch.files.folder / LOG_FILE, 16 * 1024))
