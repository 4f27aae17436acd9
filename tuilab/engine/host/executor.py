"""What the engine asks of a place where workers run; ``local`` is the first body of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tuilab.contract.reasons import Exit
from tuilab.engine.decide.facts import Phase


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one look at a worker told."""

    phase: Phase
    exit: Exit | None = None
    """Only when gone."""
    is_suspended: bool = False


class Executor(Protocol):
    """A place where workers run; each worker is named by its directory on a shared volume.

    All of what a worker is and does is files in that directory, so an executor keeps nothing that
    a new engine could not find again.
    """

    def launch(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Start the shim of the worker with ``folder``/command.json; OSError if it cannot."""

    def poll(self, folder: Path) -> Sighting:
        """Look at a worker; never blocks."""

    def stop(self, folder: Path, force: bool = False) -> None:
        """Ask a worker to end its whole tree; ``force`` ends what is left of it by SIGKILL."""

    def suspend(self, folder: Path, on: bool) -> None:
        """Stop a tree where it stands, or let it go on."""

    def retire(self, folder: Path) -> None:
        """See to it that a worker which never came up never will."""

    def logs(self, folder: Path) -> list[str]:
        """Return the last lines of a worker's own log."""
