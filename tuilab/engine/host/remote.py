"""Runs workers through a scheduler: one thread asks it, submits and cancels; nobody waits for it.

A scheduler may take ten seconds to say that it is away, and sites count the questions: there is one
list call in ``look_seconds``, and one submission for each worker.
"""

from __future__ import annotations

import atexit
import re
import shlex
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from tuilab.contract import atomic
from tuilab.contract.foreign import names_a_secret, redact
from tuilab.contract.parsing import read
from tuilab.contract.worker import FENCE_VARIABLE, LOOK_VARIABLE
from tuilab.engine.decide.facts import Slot
from tuilab.engine.decide.phase import SETTLED_SECONDS, Opinion, Word
from tuilab.engine.decide.policy import Policy
from tuilab.engine.host.environment import source_root
from tuilab.engine.host.place import Known
from tuilab.engine.shim import COMMAND_FILE

FENCE_SECONDS = 30.0
"""A worker that could not write for so long ends itself; others wait for twice that."""
BEAT_SECONDS = 2.0
RUNNER_LOOK_SECONDS = 1.0
LEAVE_SECONDS = 10.0
"""How long an engine that leaves waits for what it wants cancelled."""
_OF_ONE_MACHINE = re.compile(
    r"(CUDA_|NVIDIA_|LD_|XDG_|TMP|TEMP|PATH$|HOME$|USER$|LOGNAME$|SHELL$|VIRTUAL_ENV$|CONDA_)"
)


class UnreachableError(Exception):
    """Nobody answered: what was asked for may have been done or not."""


class RefusedError(Exception):
    """The scheduler will not have the submission; the text says why."""


class Scheduler(Protocol):
    """What ``Remote`` needs of a scheduler, from its one thread; a call may take its time."""

    name: str
    """For sentences."""
    look_seconds: float
    fence_seconds: float

    def look(self, workers: Collection[str]) -> Mapping[str, Opinion]:
        """Return what it knows of these workers, in one call; UnreachableError."""

    def submit(self, folder: Path) -> None:
        """Have the shim of a worker started under its name; UnreachableError, RefusedError."""

    def cancel(self, workers: Collection[str], force: bool) -> None:
        """Take workers from the queue, or end them; UnreachableError."""


class Remote:
    """The body of ``Place`` over a scheduler."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.name = scheduler.name
        self.fence_seconds = scheduler.fence_seconds
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._names: set[str] = set()
        """Workers that the engine asks about."""
        self._known: Mapping[str, Opinion] = {}
        self._asked_at = 0.0
        """Monotonic time of the last question that was answered."""
        self._looked_at = float("-inf")
        """The same of the last one, answered or not."""
        self._submissions: dict[str, Path] = {}
        """Asked for and not known to have arrived."""
        self._uncertain: dict[str, float] = {}
        """When nobody answered a submission: it is made again only if a later list lacks it."""
        self._submitted_at: dict[str, float] = {}
        self._refused: dict[str, str] = {}
        self._cancels: dict[str, bool] = {}
        self._trouble = ""
        """Why nobody answers ("" = somebody does)."""
        threading.Thread(target=self._run, name="scheduler", daemon=True).start()
        atexit.register(self._leave)

    def slots(self, policy: Policy, used: Set[int]) -> tuple[Slot, ...]:
        """Return the most workers at once; none is used for a new one while nobody answers."""
        why = self._trouble
        return tuple(
            Slot(index, blocked="" if index in used else why, is_late=True)
            for index in range(policy.workers)
        )

    def submit(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Say in command.json what a shim elsewhere needs, and have it submitted soon."""
        with self._lock:
            if folder.name in self._submissions or folder.name in self._submitted_at:
                return
        told = read(folder / COMMAND_FILE, dict)
        mine = {**portable(environment), LOOK_VARIABLE: str(RUNNER_LOOK_SECONDS)}
        mine[FENCE_VARIABLE] = str(self.fence_seconds)
        beat = min(BEAT_SECONDS, self.fence_seconds / 10)
        told |= {"is_elsewhere": True, "environment": mine}
        told |= {"beat_seconds": beat, "fence_seconds": self.fence_seconds}
        atomic.write_json(folder / COMMAND_FILE, told)
        with self._lock:
            self._submissions[folder.name] = folder
        self._wake.set()

    def opinions(self, workers: Sequence[Known]) -> Mapping[str, Opinion]:
        """Return what the thread heard last."""
        with self._lock:
            names = {one.folder.name for one in workers}
            if names - self._names:
                self._wake.set()  # it may sleep for as long as nobody is asked about
            self._names = names
            return {name: self._opinion(name) for name in self._names}

    def cancel(self, folder: Path, force: bool = False) -> None:
        """Take a worker from the queue; one that runs hears its stop file, unless forced."""
        with self._lock:
            name = folder.name
            is_new = self._submissions.pop(name, None) is not None
            is_maybe = self._uncertain.pop(name, None) is not None
            if is_new and not is_maybe:
                return
            if force or is_maybe or self._opinion(name).word is not Word.RUNNING:
                self._cancels[name] = force
        self._wake.set()

    @property
    def trouble(self) -> str:
        """Why the scheduler does not answer at the moment; "" where it does."""
        return self._trouble

    def _opinion(self, name: str) -> Opinion:
        if name in self._submissions:
            return Opinion(Word.WAITING, self._trouble or f"{self.scheduler.name} is being asked")
        if name in self._refused:
            return Opinion(Word.ENDED, self._refused[name], is_refused=True)
        if self._trouble:
            return Opinion(Word.UNREACHABLE, self._trouble, asked_at=self._asked_at)
        found = self._known.get(name)
        if found is not None:
            return replace(found, asked_at=self._asked_at)
        if self._asked_at - self._submitted_at.get(name, float("-inf")) <= SETTLED_SECONDS:
            return Opinion(Word.WAITING, f"submitted to {self.scheduler.name}")
        return Opinion(Word.UNKNOWN, asked_at=self._asked_at)

    def _run(self) -> None:
        while True:
            self._wake.wait(self._patience())
            self._wake.clear()
            try:
                self._submit_all()
                self._cancel_all()
                if self._patience() <= 0.0:
                    self._look()
            except UnreachableError as error:
                self._trouble = f"{self.scheduler.name} does not answer: {error}"
                self._looked_at = time.monotonic()
            except Exception as error:  # a thread that dies would leave the engine deaf
                self._trouble = f"{self.scheduler.name}: {type(error).__name__}: {error}"
                self._looked_at = time.monotonic()

    def _patience(self) -> float:
        if not self._names:
            return 3600.0
        return max(0.0, self._looked_at + self.scheduler.look_seconds - time.monotonic())

    def _look(self) -> None:
        with self._lock:
            names = sorted(self._names)
        asked_at = time.monotonic()
        self._looked_at = asked_at
        found = self.scheduler.look(names)
        with self._lock:
            self._known, self._asked_at, self._trouble = found, asked_at, ""
            for name, tried_at in list(self._uncertain.items()):
                if name in found:
                    self._arrived(name)
                elif asked_at > tried_at + SETTLED_SECONDS:
                    del self._uncertain[name]  # a later list lacks it: it is made again
                    self._wake.set()

    def _submit_all(self) -> None:
        with self._lock:
            ready = [one for one in self._submissions.items() if one[0] not in self._uncertain]
        for name, folder in ready:
            try:
                self.scheduler.submit(folder)
            except UnreachableError:
                self._uncertain[name] = time.monotonic()
                raise
            except RefusedError as error:
                with self._lock:
                    self._submissions.pop(name, None)
                    self._refused[name] = f"{self.scheduler.name} refused it: {error}"
                continue
            with self._lock:
                self._arrived(name)

    def _arrived(self, name: str) -> None:
        self._uncertain.pop(name, None)
        if self._submissions.pop(name, None) is not None:
            self._submitted_at[name] = time.monotonic()
        else:  # it was cancelled meanwhile
            self._cancels.setdefault(name, False)
            self._wake.set()

    def _cancel_all(self) -> None:
        for force in (False, True):
            with self._lock:
                names = [name for name, is_forced in self._cancels.items() if is_forced is force]
            if names:
                self.scheduler.cancel(names, force)
                with self._lock:
                    for name in names:
                        self._cancels.pop(name, None)

    def _leave(self) -> None:
        deadline = time.monotonic() + LEAVE_SECONDS
        while self._cancels and not self._trouble and time.monotonic() < deadline:
            time.sleep(0.05)


def script(folder: Path, setup: str) -> str:
    """Return what sh is to run for a worker: the shim in its place, so that signals reach it.

    A setup that fails starts none: without its modules a grid would run otherwise than asked.
    """
    source, python, place = map(shlex.quote, (str(source_root()), sys.executable, str(folder)))
    before = ["{", setup, "} || exit"] if setup.strip() else []
    shim = f"exec {python} -m tuilab.engine.shim {place}"
    return "\n".join([*before, f"cd {place} || exit", f"export PYTHONPATH={source}", shim, ""])


def portable(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what of a worker's environment may lie in a file and means the same elsewhere.

    No secrets: a node finds the hub's token in the file that the hub's library keeps.
    """
    return {
        name: value
        for name, value in environment.items()
        if not _OF_ONE_MACHINE.match(name)
        and not names_a_secret(name)
        and redact(f"{name}={value}") == f"{name}={value}"
    }


def read_options(
    place: str, given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the options of a place's block; ValueError for what it does not know or take."""
    if strange := sorted(given.keys() - defaults):
        known = ", ".join(sorted(defaults))
        raise ValueError(f"resources.{place}: {strange[0]} is not one of {known}")
    for name, value in given.items():
        kinds = (int, float) if isinstance(defaults[name], float) else type(defaults[name])
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise ValueError(f"{name} is {value!r}, not like {defaults[name]!r}")
    return {**defaults, **given}
