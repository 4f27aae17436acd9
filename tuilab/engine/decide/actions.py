"""What a decision can ask for: small frozen wishes that ``perform`` carries out in order."""

from __future__ import annotations

from dataclasses import dataclass

from tuilab.grid.endings import Ending


@dataclass(frozen=True, slots=True)
class Launch:
    """Start a worker in a slot, with a first job where it comes up at once."""

    slot: int | None
    """None: beside the slots, without a GPU, for what needs none."""
    job: str = ""


@dataclass(frozen=True, slots=True)
class Assign:
    """Claim a new attempt of a job for a living worker."""

    job: str
    worker: str


@dataclass(frozen=True, slots=True)
class Deliver:
    """Put a claimed attempt into its worker's inbox: the engine died before it could."""

    job: str
    number: int
    worker: str


@dataclass(frozen=True, slots=True)
class RecordStart:
    """Note that a runner has begun an attempt."""

    job: str
    number: int
    started_at: float


@dataclass(frozen=True, slots=True)
class ComeBack:
    """Note that an attempt that counted as lost writes again: it runs, and no other is wanted."""

    job: str
    number: int
    started_at: float | None


@dataclass(frozen=True, slots=True)
class Settle:
    """Record what became of an attempt."""

    job: str
    number: int
    ending: Ending
    retry: str = ""
    """Why a new attempt is wanted ("" = none is)."""
    hold: str = ""
    """Why nothing more may start for the job by itself ("" = nothing is held)."""


@dataclass(frozen=True, slots=True)
class Retire:
    """Take the lease of a worker that never came up, so that it cannot come up later."""

    worker: str


@dataclass(frozen=True, slots=True)
class EndOrphans:
    """End what is left of a tree whose shim is gone."""

    worker: str
    force: bool = False
    """SIGKILL instead of SIGTERM."""


@dataclass(frozen=True, slots=True)
class StopWorker:
    """Record the intent, then ask a worker's shim to end its tree."""

    worker: str
    jobs: tuple[str, ...]
    by: str
    is_stall: bool = False


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take back an assignment that its worker has not come to."""

    job: str
    worker: str
    behind: str
    """The job that the worker is on."""
    by: str


@dataclass(frozen=True, slots=True)
class KillShim:
    """End a shim that did not end its tree in time; its orphans are ended next."""

    worker: str


@dataclass(frozen=True, slots=True)
class Suspend:
    """Stop a tree where it stands (hard pause), its memory stays taken; or let it go on."""

    worker: str
    on: bool


@dataclass(frozen=True, slots=True)
class HoldBack:
    """Keep a worker from beginning what lies in its inbox, or let it begin again."""

    worker: str
    on: bool


@dataclass(frozen=True, slots=True)
class Close:
    """Tell a worker that nothing more will come."""

    worker: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class CallStalled:
    """Name a stall, once per attempt."""

    job: str
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Start nothing new until a person resumes, or until what made it pause is over."""

    why: str
    by: str = "engine"
    seconds: float | None = None
    """Before nobody tries whether it is over; None: only a person resumes."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on after a pause that was not a person's."""

    why: str


@dataclass(frozen=True, slots=True)
class FetchAgain:
    """Ask for a base that was fetched once and is not in this machine's cache."""

    job: str


Action = (
    Launch
    | Assign
    | Deliver
    | RecordStart
    | ComeBack
    | Settle
    | Retire
    | EndOrphans
    | StopWorker
    | Withdraw
    | KillShim
    | Suspend
    | HoldBack
    | Close
    | CallStalled
    | Pause
    | Resume
    | FetchAgain
)
