"""Prints progress of an experiment without a screen: a line per finished job, no spinner."""

from __future__ import annotations

import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuilab.cli.errors import INCOMPLETE, OK
from tuilab.cli.output import out, plain, tell
from tuilab.contract.foreign import clean_line
from tuilab.engine.trouble import is_of_the_machine, sentence
from tuilab.grid.cells import Cell
from tuilab.grid.engine_view import EngineState
from tuilab.grid.history import events_of
from tuilab.grid.limits import LIMIT
from tuilab.grid.notices import Notice, notices_of, terminal_sequence
from tuilab.grid.shared_failures import SharedFailure, shared_failures
from tuilab.grid.states import WITH_RESULT, JobStatus, State
from tuilab.grid.text import clock, count_of, duration, list_of, whole_percent
from tuilab.store import journal
from tuilab.store.engine_file import read_engine
from tuilab.store.layout import Layout
from tuilab.store.plan_file import PlanFileError
from tuilab.store.program_name import program, quoted
from tuilab.store.reader import Reader
from tuilab.store.snapshot import CellView, Snapshot
from tuilab.store.user_files import load_user_config

POLL_SECONDS = 0.25
QUIET_SECONDS = 2.0
"""A progress line is printed after this long without another line, at a terminal."""
QUIET_SECONDS_IN_A_FILE = 10.0
PATIENCE_SECONDS = 2.0
"""A standstill must last this long before the watch ends: a retry may be about to begin, and a
terminal is to hear the engine's last notice."""


def follow(root: Path, cells: Iterable[Cell], headless: bool, as_json: bool, offset: int) -> int:
    """Print progress until the cells have ended, or say that the engine keeps working."""
    if headless:
        return Watch(root, frozenset(cells), offset, tell if as_json else out).until_the_end()
    engine, here = read_engine(Layout(root), time.time()), quoted(root)
    if engine.pause:
        tell(plain(engine.note.replace("`tuilab resume`", f"`{program()} resume {here}`")))
    else:
        tell(f"work continues in the background: {program()} status {here}")
    return OK


@dataclass
class Watch:
    """One headless view of an experiment."""

    root: Path
    cells: Collection[Cell]
    """The cells that were asked for; the watch ends when they have ended."""
    offset: int = 0
    """Journal byte from which events are printed."""
    say: Callable[[str], bool | None] = out
    _quiet: float = field(
        default_factory=lambda: QUIET_SECONDS if sys.stdout.isatty() else QUIET_SECONDS_IN_A_FILE
    )
    _still_since: float | None = None
    _is_told: bool = False
    """Whether the engine has told that the run is over: it does so after the last job."""
    _printed_at: float = field(default=0.0)
    _last_line: str = ""
    _note: str = ""
    """What kept the engine from going on at the last look; that its seconds count on is no news."""
    _done: set[str] = field(default_factory=set)

    def until_the_end(self) -> int:
        """Print until the cells have ended; 0 when all are done, else 3.

        Ctrl+C only detaches, and so does a reader of our output who leaves.
        """
        root = self.root.absolute()  # where we stand may be on a volume that goes away
        reader: Reader | None = Reader(root)
        follower = journal.follow(Layout(root), self.offset)
        try:
            while True:
                try:
                    reader = reader or Reader(root)
                    snapshot = reader.poll(time.time())
                    lines = follower.read()
                except (OSError, PlanFileError) as error:
                    cause = error.__cause__ or error
                    if not is_of_the_machine(cause):
                        raise
                    self._tell_trouble(sentence(cause))
                    reader = None  # it was left in the middle of a look
                    continue
                self._report(lines, snapshot)
                if (code := self._ending(snapshot, time.monotonic())) is not None:
                    return code
                self._progress(snapshot, time.monotonic())
                time.sleep(POLL_SECONDS)
        except (KeyboardInterrupt, BrokenPipeError):
            tell(f"detached; work continues: {program()} status {quoted(self.root)}")
            return INCOMPLETE

    def _report(self, lines: Iterable[Mapping[str, Any]], snapshot: Snapshot) -> None:
        told = list(lines)
        notices = list(notices_of(told))
        self._is_told |= any(notice.kind == "done" for notice in notices)
        tell_terminal(notices)
        for event in events_of(told):
            if event.is_news:
                text = f"{clock(event.at)} {clean_line(event.text, 240)}"
                self._print(f"{text}{self._tally(snapshot)}")

    def _tell_trouble(self, what: str) -> None:
        """Say once what keeps us from reading: a volume that is away comes back."""
        if what != self._note:
            self._print(f"{clock(time.time())} {what}")
        self._note = what
        time.sleep(POLL_SECONDS)

    def _progress(self, snapshot: Snapshot, now: float) -> None:
        note = snapshot.engine.note
        without_numbers = re.sub(r"\d+", "", note)
        if note and without_numbers != self._note:
            self._print(f"{clock(snapshot.taken_at)} {plain(note, 240)}")
        self._note = without_numbers
        if now - self._printed_at < self._quiet:
            return
        text = running_text(snapshot)
        if text and text != self._last_line:
            self._last_line = text
            self._print(f"{clock(snapshot.taken_at)}   {text}{self._tally(snapshot)}")

    def _print(self, text: str) -> None:
        self._printed_at = time.monotonic()
        if self.say(text) is False:
            raise BrokenPipeError

    def _tally(self, snapshot: Snapshot) -> str:
        chosen = [view for view in snapshot.cells if view.cell in self.cells]
        done = sum(view.state is State.DONE for view in chosen)
        eta = snapshot.engine.eta_seconds
        left = f", ETA {duration(eta)}" if eta is not None else ""
        broken = len(_broken_shared(snapshot, chosen))
        failed = f", {count_of(broken, 'shared job')} failed" if broken else ""
        return f"   [{done}/{len(chosen)} cells{failed}{left}]"

    def _ending(self, snapshot: Snapshot, now: float) -> int | None:
        """Return the exit code once nothing more will happen to the cells, else None."""
        chosen = [view for view in snapshot.cells if view.cell in self.cells]
        is_done = all(view.state is State.DONE for view in chosen)
        if is_done and (self._is_told or not (sys.stderr.isatty() and snapshot.engine.is_alive)):
            return OK
        why = "" if is_done else standstill(snapshot, self.cells)
        if not (is_done or why):
            self._still_since = None
            return None
        if self._still_since is None:
            self._still_since = now
        if now - self._still_since < PATIENCE_SECONDS:
            return None
        if is_done:
            return OK
        tell(f"{why}: {program()} status {quoted(self.root)}")
        return INCOMPLETE


def tell_terminal(notices: Iterable[Notice]) -> None:
    """Ring, and ask for desktop notifications, where a person's terminal is at stderr."""
    if not sys.stderr.isatty() or not (due := list(notices)):
        return
    wanted = load_user_config().config.notify
    for notice in due:
        if notice.kind not in wanted.on:
            continue
        texts = clean_line(notice.title, 200), clean_line(notice.text, 200)
        sequence = terminal_sequence(*texts, os.environ) if wanted.desktop else ""
        print(sequence + "\a" * wanted.bell, end="", file=sys.stderr, flush=True)


ENGINE_ITSELF = "engine"
"""Who paused, in the journal, when it was no person: nothing starts before one resumes."""
_ENDED = WITH_RESULT | {State.FAILED, State.SUSPECT, State.STOPPED, State.IDLE}
"""A lost job is not among them: it comes back if it writes again while an engine lives."""


def standstill(snapshot: Snapshot, cells: Collection[Cell]) -> str:
    """Say why nothing more will happen to the cells by itself; "" while something may."""
    chosen = [view for view in snapshot.cells if view.cell in cells]
    if snapshot.engine.state is EngineState.STOPPED:
        return "the engine exited before all cells were done"
    if any(status.state is State.RUNNING for status in snapshot.shared):
        return ""
    if any(view.state is State.RUNNING for view in chosen):
        return ""
    if snapshot.engine.pause and snapshot.engine.pause_by in (ENGINE_ITSELF, LIMIT):
        return snapshot.engine.note or "the engine has paused itself"
    open_cells = (view for view in chosen if view.state not in _ENDED)
    if any(view.state is not State.WAITING or view.reason != "upstream" for view in open_cells):
        return ""
    return _what_is_left(snapshot, chosen)


def _what_is_left(snapshot: Snapshot, chosen: Sequence[CellView]) -> str:
    """Count the cells that are not done, and name the shared jobs that they wait for."""
    left = Counter(view.state for view in chosen if view.state is not State.DONE)
    found = [f"{n} {state.value}" for state, n in left.items()]
    for failure in _broken_shared(snapshot, chosen):
        status = failure.status
        reason = f" ({status.reason})" if status.reason else ""
        found.append(f"{plain(status.job)} {status.state.value}{reason}")
    return f"not complete ({', '.join(found)})"


def _broken_shared(snapshot: Snapshot, cells: Iterable[CellView]) -> tuple[SharedFailure, ...]:
    """Return the broken shared jobs that some of the cells wait for."""
    found = shared_failures(snapshot.shared, ((view.cell, view.jobs) for view in cells))
    return tuple(one for one in found if one.cells)


def _how_far(status: JobStatus) -> str:
    return str(status.transfer) if status.transfer else whole_percent(status.percent)


def running_text(snapshot: Snapshot) -> str:
    """Name what is running with its percent; the engine's note when nothing is."""
    own = (status for view in snapshot.cells for status in view.jobs)
    found = [
        (status.stage.value, status.job.partition("/")[2], _how_far(status))
        for status in (*snapshot.shared, *own)
        if status.state is State.RUNNING
    ]
    if not found:
        return plain(snapshot.engine.note, 160)
    words = [f"{stage} {plain(who)}" + f" {far}".rstrip() for stage, who, far in found]
    return list_of(words, 4)
