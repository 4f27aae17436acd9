"""Messages between the parts of the app: facts in the past, and wishes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from textual.message import Message

from tuilab.grid.request import Request
from tuilab.store.snapshot import Snapshot
from tuilab.tui.log_tail import Tail


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


@dataclass
class TerminalGone(Message):
    """Nobody holds the other end of the terminal any more."""


@dataclass
class RequestMade(Message):
    """A person wants something done; ``twin`` is the command line that does the same."""

    request: Request
    twin: str
    said: str
    """What the status line says once the wish has been left."""


@dataclass
class ExperimentChosen(Message):
    """Another experiment is to be opened."""

    root: Path
