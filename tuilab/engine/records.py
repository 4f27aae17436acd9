"""Writes what the engine decides into the journal and keeps the board in step with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tuilab.engine.board import Board
from tuilab.store.journal import Journal


class Records:
    """The journal and what follows from it; nothing reaches the board that is not on disk."""

    def __init__(self, journal: Journal, board: Board) -> None:
        self.journal = journal
        self.board = board

    def say(self, kind: str, **fields: Any) -> None:
        """Append one line; OSError when the disk takes none, and then nothing has changed."""
        self.say_all([{"kind": kind, **fields}])

    def say_all(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Append several lines, durable together."""
        self.board.fold(self.journal.append_all(entries))
