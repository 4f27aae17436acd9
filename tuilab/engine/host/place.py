"""What the engine asks of a place where workers run; ``local`` is the first body of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tuilab.contract.worker import Lease
from tuilab.engine.decide.facts import Slot
from tuilab.engine.decide.phase import Opinion
from tuilab.engine.decide.policy import Policy


@dataclass(frozen=True, slots=True)
class Known:
    """A worker that a place is asked about."""

    folder: Path
    """Its last part is the worker's name."""
    lease: Lease | None = None
    """None while it has not come up."""


class Place(Protocol):
    """Somewhere to run workers; each is named by its directory on a volume that both see.

    All of what a worker is and does is files in that directory, so a place keeps nothing that a new
    engine could not find again, and what it says of a worker is an opinion (``decide/phase.py``).
    """

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def fence_seconds(self) -> float:
        """Seconds without a sign after which a worker elsewhere has ended itself."""

    def slots(self, policy: Policy, used: Set[int]) -> tuple[Slot, ...]:
        """Return the slots, those not ``used`` with what keeps them from being used now."""

    def submit(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Start the shim of the worker with ``folder``/command.json, or have it started.

        Once for each folder, however often it is called. OSError if it cannot.
        """

    def opinions(self, workers: Sequence[Known]) -> Mapping[str, Opinion]:
        """Return what this place thinks of each worker, by name; never blocks."""

    def cancel(self, folder: Path, force: bool = False) -> None:
        """Take a worker away that was asked to end by its stop file, or that is not to come up.

        ``force``: what is left of it ends now.
        """
