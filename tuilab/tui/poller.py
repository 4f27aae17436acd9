"""Looks at the disk off the event loop and posts what it found; the only thread of the app."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from textual.message import Message

from tuilab.store.snapshot import Snapshot
from tuilab.tui.log_tail import LogFollower, Tail

if TYPE_CHECKING:
    from tuilab.grid.states import Attempt
    from tuilab.store.reader import Reader


@dataclass
class SnapshotTaken(Message):
    """A new picture of the experiment; a burst of them collapses into the newest."""

    snapshot: Snapshot

    def can_replace(self, message: Message) -> bool:
        """Only the newest snapshot matters."""
        return isinstance(message, SnapshotTaken)


@dataclass
class LogRead(Message):
    """The followed log has grown or another one is followed."""

    tail: Tail

    def can_replace(self, message: Message) -> bool:
        """Only the newest reading of the same file matters."""
        return isinstance(message, LogRead) and message.tail.path == self.tail.path


@dataclass
class LookFailed(Message):
    """The experiment could not be read this time."""

    why: str
    """Nothing once it can be read again."""


@dataclass
class TerminalGone(Message):
    """Nobody holds the other end of the terminal any more."""


class SnapshotSource(Protocol):
    """What yields snapshots: the store's Reader, or a fixed picture."""

    def poll(self, now: float) -> Snapshot:
        """Return the state of the experiment at a unix time."""


class Poller:
    """One place that reads files for the app; each look returns messages, it shows nothing."""

    def __init__(self, make: Callable[[], SnapshotSource] | None) -> None:
        self._make = make
        self.source: SnapshotSource | None = None
        """Made at the first look, because a plan of 10,000 cells takes a moment to read."""
        self._seen: Snapshot | None = None
        self._log: LogFollower | None = None
        self._trouble = ""

    def open(self, make: Callable[[], SnapshotSource]) -> None:
        """Look at another experiment from now on."""
        self._make, self.source, self._seen, self._log = make, None, None, None

    def follow(self, path: Path | None) -> None:
        """Read this log from its tail on; None reads none."""
        self._log = None if path is None else LogFollower(path)

    @property
    def reader(self) -> Reader | None:
        """What reads an experiment with a plan; None before the first look and for results only."""
        from tuilab.store.reader import Reader

        source = self.source
        return source if isinstance(source, Reader) and not source.is_results_only else None

    def attempt(self, job: str, number: int) -> Attempt | None:
        """Return what is known of one attempt; None where there is none."""
        known = self.reader.of(job).attempts if self.reader is not None else ()
        return next((one for one in known if one.number == number), None)

    def look(self, now: float) -> list[Message]:
        """Return what is new: a snapshot, log lines, a trouble."""
        found: list[Message] = []
        try:
            if (source := self._made()) is not None:
                found += self._look_at_experiment(source, now)
            if self._trouble:
                found.append(LookFailed(""))
            self._trouble = ""
        except Exception as error:  # told, never fatal: the next look may do
            if isinstance(error, OSError):
                self.source = None  # it was left in the middle of a look: a stale mount, say
            why = f"{type(error).__name__}: {error}"
            if why != self._trouble:
                self._trouble = why
                found.append(LookFailed(why))
        log = self._log
        if log is not None and (tail := log.look()) is not None:
            found.append(LogRead(tail))
        return found

    def _made(self) -> SnapshotSource | None:
        """Return the source; another experiment may be opened while one is being made."""
        make = self._make
        if self.source is None and make is not None:
            made = make()
            if self._make is make:
                self.source = made
        return self.source

    def _look_at_experiment(self, source: SnapshotSource, now: float) -> list[Message]:
        snapshot = source.poll(now)
        if snapshot is self._seen:
            return []
        self._seen = snapshot
        return [SnapshotTaken(snapshot)]


TURN_SECONDS = 0.0005
"""A thread that computes lets another run after so long: to read a large grid takes a second, and
the thread that answers keys would wait for several turns of Python's own 5 ms. Python has one such
time for the whole process; here that is the app and nothing else."""


QUIET_SECONDS = 20.0
"""After so long without news, or a wish of a person's, an experiment is at rest."""
REST_SECONDS = 2.0
"""Between two looks at one at rest: each wakes a processor, which takes most of what it costs."""


class PollThread(threading.Thread):
    """Looks every ``seconds``, less often at rest, and at once when woken, until it is stopped."""

    def __init__(self, poller: Poller, post: Callable[[Message], object], seconds: float) -> None:
        super().__init__(daemon=True, name="tuilab-poll")
        self._lookout = poller
        self._post = post
        self._seconds = seconds
        self._wake = threading.Event()
        self._first: list[Message] | None = []
        """What was found before ``first_look`` asked; None once it is to be posted."""
        self._turn = threading.Lock()
        self._looked = threading.Event()
        self._ended = False
        self._news_at = time.monotonic()
        self._on_terminal = os.isatty(0)

    def wake(self) -> None:
        """Look now."""
        self._news_at = time.monotonic()
        self._wake.set()

    def stop(self) -> None:
        """Look no more."""
        self._ended = True
        self._wake.set()

    def first_look(self, seconds: float) -> list[Message]:
        """Return what the first look found; [] where it takes longer: it is posted then."""
        self._looked.wait(seconds)
        with self._turn:
            found, self._first = self._first, None
        return found or []

    def run(self) -> None:
        """Look, post, sleep."""
        sys.setswitchinterval(TURN_SECONDS)
        while not self._ended:
            found = self._lookout.look(time.time())
            if found:
                self._news_at = time.monotonic()
            with self._turn:
                if self._first is not None:
                    found, self._first = [], [*self._first, *found]
            self._looked.set()
            for message in found:
                if not self._ended:
                    self._post(message)
            if self._on_terminal and terminal_is_gone():
                self._post(TerminalGone())
                return
            is_at_rest = time.monotonic() - self._news_at > QUIET_SECONDS
            self._wake.wait(max(self._seconds, REST_SECONDS) if is_at_rest else self._seconds)
            self._wake.clear()


def terminal_is_gone() -> bool:
    """Whether the other end of our terminal was closed; without it, reading would spin for ever."""
    poller = select.poll()
    poller.register(0, 0)
    return any(what & (select.POLLHUP | select.POLLNVAL) for _, what in poller.poll(0))
