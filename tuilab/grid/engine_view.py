"""The engine as readers see it: what it is doing, and the machine under it; frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class EngineState(StrEnum):
    """What the engine is doing."""

    RUNNING = "running"
    """Alive, and starts what is due."""
    PAUSED = "paused"
    """Alive; nothing new starts, what runs goes on (soft) or was suspended (hard)."""
    WAITING = "waiting"
    """Alive; wants a person's go before it continues queued work."""
    STOPPED = "stopped"
    """No engine; ``tuilab run DIR`` starts one."""
    UNKNOWN = "unknown"
    """On another host and silent for too long to tell."""


@dataclass(frozen=True, slots=True)
class Meter:
    """Use of the machine, sampled by the engine."""

    cpu_percent: float | None = None
    memory_used: int | None = None
    """Bytes."""
    memory_total: int | None = None
    gpus: tuple[Mapping[str, Any], ...] = ()
    """Each {"index", "name", "percent", "memory_used", "memory_total", "unattributed"}, and
    "jobs", the ids of what runs there, in the newest one."""


@dataclass(frozen=True, slots=True)
class EngineView:
    """The engine as a reader sees it."""

    state: EngineState = EngineState.STOPPED
    pid: int | None = None
    host: str | None = None
    heartbeat_at: float | None = None
    """Unix time of the last heartbeat."""
    note: str = ""
    """Why nothing starts, when something keeps it: disk, GPU memory held, paused by whom."""
    pause: str = ""
    """"" , "soft" or "hard"."""
    pause_by: str = ""
    """Who paused: a person, or ``engine`` itself, which goes on only when it is told to."""
    workers: int = 0
    """Slots."""
    eta_seconds: float | None = None
    """Estimated seconds of queued and running work, from measured stage times."""
    meter: Meter = Meter()
    history: tuple[Meter, ...] = ()
    """Recent meters, oldest first."""
    queued: str = ""
    """Why jobs that may run do not start now; see ``grid/why_queued.py``."""
    place: str = ""
    """Where its workers run, as people call it."""
    machines: tuple[Mapping[str, Any], ...] = ()
    """Workers on other machines, each {"worker", "host", "phase", "job", "silent_seconds", "why",
    "seconds_left", "devices"}; the devices are those of a meter."""
    is_still: bool = False
    """Nothing begins, not even what a worker was given already; ``queued`` says why."""
    starting: tuple[str, ...] = ()
    """Workers that are up and have begun nothing yet: they load their libraries."""
    copy_of: str = ""
    """The folder of which this experiment's is a copy: the engine that its files name is there."""
    queued_stages: Mapping[str, str] = field(default_factory=dict)
    """The same for stages that have a reason of their own."""

    sequence: int = 0
    """Number of the journal's last line as it has written it."""
    limit: str = ""
    """How long the run may go on: ``until 06:00``, ``2.50 GPU hours left``."""

    def ends_at(self, now: float) -> float | None:
        """Return the Unix time at which all is done; None where it is unknown or nothing starts."""
        if self.eta_seconds is None or self.state is not EngineState.RUNNING:
            return None
        return now + self.eta_seconds

    @property
    def is_alive(self) -> bool:
        """Whether there is an engine that settles what ends."""
        return self.state in (EngineState.RUNNING, EngineState.PAUSED, EngineState.WAITING)
