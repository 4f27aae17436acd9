"""What the screens wish of the app; what is found on disk is told by ``poller.py``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from tuilab.grid.cells import Cell
    from tuilab.grid.request import Request


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
    cell: Cell | None = None
    """The cell to open in it; None for its grid."""
