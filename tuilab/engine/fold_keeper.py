"""Folds the journal now and then, so that neither readers nor the next engine read all of it."""

from __future__ import annotations

import time

from tuilab.engine.state import JournaledStates
from tuilab.store.folded import write_folded
from tuilab.store.journal import TOLD_BYTES
from tuilab.store.layout import Layout

SHARE = 0.02
"""Largest part of the engine's time that writing may take."""


def is_worth_writing(grown: int, passed: float, cost: float) -> bool:
    """Whether to fold now: the journal has grown by much, and the last time is long enough ago.

    ``grown`` in bytes, ``passed`` seconds since the last time, which took ``cost`` seconds.
    """
    return grown >= TOLD_BYTES and passed >= cost / SHARE


class FoldKeeper:
    """The engine's hand on folded.bin; nothing is lost where it cannot be written."""

    def __init__(self, layout: Layout, states: JournaledStates) -> None:
        self._layout, self._states = layout, states
        self._offset = 0
        self._written_at, self._cost = float("-inf"), 0.0

    def keep(self, force: bool = False) -> None:
        """Fold what is in the journal if it is time, or if it must be. Raises OSError."""
        mark, now = self._states.journal.mark, time.monotonic()
        if mark is None:
            return
        grown, passed = mark.offset - self._offset, now - self._written_at
        if grown and (force or is_worth_writing(grown, passed, self._cost)):
            write_folded(self._layout, self._states.ledger, mark)
            self._offset, self._written_at = mark.offset, time.monotonic()
            self._cost = self._written_at - now
