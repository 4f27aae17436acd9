"""Says that a worker lives and hears what is asked of it, by file; the only part of a shim that
touches the volume while the runner runs, from a thread of its own: a dead mount blocks who does.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuilab.contract import atomic
from tuilab.contract.worker import BEAT_BYTES, BEAT_FILE, STOP_FILE, SUSPEND_FILE

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""A full volume answers: it must not end every worker at once."""


@dataclass(slots=True)
class Heart:
    """What the two threads of a shim tell each other; each field has one writer."""

    folder: Path
    seconds: float
    """Between two beats."""
    host: str
    wake: Callable[[], object]
    """Called when something was asked."""
    look_at_devices: Callable[[], list[dict[str, Any]]]
    reached_at: float = field(default_factory=time.monotonic)
    """Monotonic time of the last beat that the volume took, or refused because it is full."""
    is_stop_asked: bool = False
    is_suspend_asked: bool = False
    is_suspended: bool = False
    """Told by the main thread."""
    is_preempted: bool = False
    """Told by the main thread: a signal came that nobody announced by file."""
    _heard: threading.Event = field(default_factory=threading.Event)
    _said: threading.Event = field(default_factory=threading.Event)
    _count: int = 0

    def start(self) -> None:
        """Begin to beat; the thread ends with the process."""
        threading.Thread(target=self._run, name="heart", daemon=True).start()

    def silent_seconds(self) -> float:
        """Seconds since the volume answered last."""
        return time.monotonic() - self.reached_at

    def say_preempted(self, seconds: float) -> None:
        """Have it written down that the place takes the worker away, unless somebody asked.

        Waits at most so long.
        """
        self.is_preempted = True
        self._heard.set()
        self._said.wait(seconds)

    def _run(self) -> None:
        while True:
            try:
                self._listen()
                self._beat()
                self.reached_at = time.monotonic()
            except OSError as error:
                if error.errno in FULL:
                    self.reached_at = time.monotonic()
                    with suppress(OSError):  # a new time of change is a sign too
                        os.utime(self.folder / BEAT_FILE)
            self._heard.wait(self.seconds)
            self._heard.clear()

    def _listen(self) -> None:
        """One listing: a file's absence may be remembered by a network volume, a folder is not."""
        names = os.listdir(self.folder)  # noqa: PTH208  # names only
        before = self.is_stop_asked, self.is_suspend_asked
        self.is_stop_asked, self.is_suspend_asked = STOP_FILE in names, SUSPEND_FILE in names
        if self.is_preempted and not self._said.is_set():
            self.is_preempted = not self.is_stop_asked
            if self.is_preempted:
                content = {"jobs": [], "by": "its place", "at": time.time(), "is_preempted": True}
                atomic.write_json(self.folder / STOP_FILE, content)
            self._said.set()
        if before != (self.is_stop_asked, self.is_suspend_asked):
            self.wake()

    def _beat(self) -> None:
        self._count += 1
        told = {
            "count": self._count,
            "host": self.host,
            "at": time.time(),
            "is_suspended": self.is_suspended,
            "devices": self.look_at_devices(),
        }
        text = json.dumps(told)
        if len(text) >= BEAT_BYTES:
            text = json.dumps({**told, "devices": []})
        atomic.write_in_place(self.folder / BEAT_FILE, text, BEAT_BYTES, mode=0o644)
