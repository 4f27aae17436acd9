"""What a decision can ask for: small frozen wishes that ``perform`` carries out in order."""

from __future__ import annotations

from dataclasses import dataclass

from tuilab.grid.endings import Ending


class Action:
    """Something to be done."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Launch(Action):
    """Start a worker in a slot, with a first job where it comes up at once."""

    slot: int | None
    """None: beside the slots, without a GPU, for what needs none."""
    job: str = ""


@dataclass(frozen=True, slots=True)
class Assign(Action):
    """Put an attempt of a job into a living worker's inbox."""

    job: str
    worker: str
    claimed: int = 0
    """Its number, where the engine died between claim and inbox; 0: a new one is claimed."""


@dataclass(frozen=True, slots=True)
class RecordStart(Action):
    """Note that a runner has begun an attempt."""

    job: str
    number: int
    started_at: float | None
    was_lost: bool = False
    """It counted as lost and writes again: it runs, and no other is wanted."""


@dataclass(frozen=True, slots=True)
class Settle(Action):
    """Record what became of an attempt."""

    job: str
    number: int
    ending: Ending
    retry: str = ""
    """Why a new attempt is wanted ("" = none is)."""
    hold: str = ""
    """Why nothing more may start for the job by itself ("" = nothing is held)."""


@dataclass(frozen=True, slots=True)
class Retire(Action):
    """Take the lease of a worker that never came up, so that it cannot come up later."""

    worker: str


@dataclass(frozen=True, slots=True)
class EndTree(Action):
    """End what is left of a tree whose shim is gone, or did not end it in time."""

    worker: str
    force: bool = False
    """SIGKILL instead of SIGTERM, to the shim too."""


@dataclass(frozen=True, slots=True)
class StopWorker(Action):
    """Record the intent, then ask a worker's shim to end its tree."""

    worker: str
    jobs: tuple[str, ...]
    by: str
    is_stall: bool = False


@dataclass(frozen=True, slots=True)
class Withdraw(Action):
    """Take back an assignment that its worker has not come to."""

    job: str
    worker: str
    behind: str
    """The job that the worker is on."""
    by: str


@dataclass(frozen=True, slots=True)
class Suspend(Action):
    """Stop a tree where it stands (hard pause), its memory stays taken; or let it go on."""

    worker: str
    on: bool


@dataclass(frozen=True, slots=True)
class HoldBack(Action):
    """Keep a worker from beginning what lies in its inbox, or let it begin again."""

    worker: str
    on: bool


@dataclass(frozen=True, slots=True)
class Close(Action):
    """Tell a worker that nothing more will come."""

    worker: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class CallStalled(Action):
    """Name a stall, once per attempt."""

    job: str
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Pause(Action):
    """Start nothing new until a person resumes, or until what made it pause is over."""

    why: str
    by: str = "engine"
    seconds: float | None = None
    """Before nobody tries whether it is over; None: only a person resumes."""


@dataclass(frozen=True, slots=True)
class Resume(Action):
    """Go on after a pause that was not a person's."""

    why: str


@dataclass(frozen=True, slots=True)
class FetchAgain(Action):
    """Ask for a base that was fetched once and is not in this machine's cache."""

    job: str
