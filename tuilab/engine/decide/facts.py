"""What the engine knows at one moment: frozen values, gathered and decided upon elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuilab.contract.reasons import Exit
from tuilab.contract.worker import Stop
from tuilab.engine.decide.phase import Phase
from tuilab.engine.decide.policy import Policy
from tuilab.grid.endings import Ending
from tuilab.grid.jobs import Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.transfer import Transfer

NO_DEVICE = ""
"""The device of a worker beside the slots: it sees no GPU, and no slot is its own."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One runner process under its shim."""

    id: str
    slot: int
    phase: Phase
    takes_work: bool = True
    """Its inbox is open and nobody has asked it to end."""
    queue: tuple[str, ...] = ()
    """Jobs of its live attempts, in the order of its inbox."""
    last_job: str = ""
    """The job it was given last ("" = none): what it has warm."""
    has_served: bool = False
    """It has begun at least one attempt."""
    is_of_other_code: bool = False
    """It may have loaded other runner code than the plan's, and keeps what it has loaded."""
    idle_seconds: float = 0.0
    """Since its queue became empty."""
    seconds_left: float | None = None
    """Until its place takes it away; None where that has no set time."""
    wall_seconds: float | None = None
    """All the time that its place gives it; None where that is not known, or has no end."""
    silent_seconds: float = 0.0
    """Since its last sign, by our clock; counted of workers elsewhere."""
    host: str = ""
    why: str = ""
    """Why it waits, or what else its place says of it."""
    is_unheard: bool = False
    """Its place does not answer, and ``why`` says so."""
    devices: tuple[Mapping[str, Any], ...] = ()
    """Its GPUs, as its shim sees them."""
    is_suspended: bool = False
    is_held_back: bool = False
    """It begins nothing of its inbox."""
    orphaned_seconds: float | None = None
    """Since its orphans were asked to end; None when they were not."""
    exit: Exit | None = None
    """Only when gone."""
    stop: Stop | None = None
    """The intent to end it."""
    stop_seconds: float = 0.0
    """Since that was first seen."""
    log: tuple[str, ...] = ()
    """Last lines of its own log; only when gone."""


@dataclass(frozen=True, slots=True)
class LiveAttempt:
    """An attempt that the journal has claimed and not settled."""

    job: str
    number: int
    worker: str
    is_assigned: bool = True
    """Its assignment is in the worker's inbox."""
    begun_at: float | None = None
    """Unix time of its first event."""
    is_recorded: bool = False
    """The journal says that it started."""
    ending: Ending | None = None
    """What its outcome comes to; None while it has none that was checked."""
    silent_seconds: float = 0.0
    """Since its last event."""
    has_spoken: bool = False
    """It has written an event since this engine looked at it first."""
    is_called_stalled: bool = False
    """The journal has named the stall already."""
    stopped_by: str | None = None
    """Who asked to end it, by the mark in its folder; only when its worker is gone."""
    has_saved: bool = False
    """It kept a state to go on from; looked up only where it was cut short."""
    transfer: Transfer | None = None
    """How far it is in bytes, while it fetches."""
    log: tuple[str, ...] = ()
    """Last lines of its log; only when they are needed."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One place for a worker."""

    index: int
    device: str | None = None
    """What CUDA_VISIBLE_DEVICES will say; None leaves it alone, ``NO_DEVICE`` hides all."""
    blocked: str = ""
    """Why no worker may be launched here now ("" = free): who holds the memory, no device."""
    memory_total: int = 0
    """Bytes of the device, where several workers share it."""
    memory_used: int = 0
    """Bytes in use on it now, by whomever."""
    is_late: bool = False
    """A worker here may wait for long before it comes up: it is given work once it lives."""


@dataclass(frozen=True, slots=True)
class Disk:
    """Room on the experiment's volume."""

    free: int
    """Bytes."""
    problem: str = ""
    """Why the test write failed ("" = it went well)."""
    lately: str = ""
    """The last such problem of the past minutes, also when there is room again."""
    needs: Mapping[str, int] = field(default_factory=dict)
    """Forecast bytes of one attempt, by job id."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that one decision is made of."""

    plan: Plan
    ledger: Ledger
    policy: Policy
    ready: Sequence[str] = ()
    """Ids of due jobs that may start, in launch order, without held ones."""
    attempts: tuple[LiveAttempt, ...] = ()
    missing: tuple[LiveAttempt, ...] = ()
    """Attempts that count as lost for their silence alone, and whose worker may live."""
    workers: tuple[Worker, ...] = ()
    slots: tuple[Slot, ...] = ()
    disk: Disk = Disk(free=1 << 62)
    failed_starts: int = 0
    """Workers in a row that ended badly before they began anything."""
    failed_why: str = ""
    """What the last of them came to."""
    peaks: Mapping[str, int] = field(default_factory=dict)
    """Largest GPU memory of a done attempt so far, in bytes, by stage."""
    places: Mapping[str, int] = field(default_factory=dict)
    """Place of each job in the plan."""
    hub_answers: bool = False
    """A hub that the grid waits for was tried after the time it asked for, and answered."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Forecast seconds of each job; only where the run or a worker has a limit."""
    seconds_left: float | None = None
    """Until the time at which the run is to end; None without one."""
    gpu_seconds_left: float | None = None
    """GPU seconds that a new job may take, after what ran and what runs; None without a limit."""
    absent_bases: tuple[str, ...] = ()
    """Jobs that fetch a base which is not whole in this machine's cache."""
    code_problem: str = ""
    """Why nothing may begin: the runner code here is not the plan's; "" when it is."""

    @property
    def unbegun(self) -> list[LiveAttempt]:
        """Attempts that were given to a worker and that no runner has begun."""
        return [one for one in self.attempts if one.begun_at is None and one.ending is None]

    def present_job(self, worker: Worker) -> str:
        """Return the job that a worker is on; "" when it has not begun what it was given."""
        job = next(iter(worker.queue), "")
        return "" if any(one.job == job for one in self.unbegun) else job

    def worker(self, name: str) -> Worker | None:
        """Return a worker by its id."""
        return next((worker for worker in self.workers if worker.id == name), None)
