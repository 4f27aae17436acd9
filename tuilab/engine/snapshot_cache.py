"""Writes the snapshot cache when it is worth it: in a quiet moment, and now and then when busy."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tuilab.store.layout import Layout
from tuilab.store.reader import Reader
from tuilab.store.snapshot_file import write_snapshot

QUIET_SECONDS = 1.5
"""Without a change for so long, the picture is worth writing."""
BUSY_SECONDS = 4.0
"""Age at which it is written although changes go on: readers of a large grid take it as it is."""
SHARE = 0.05
"""Largest part of the engine's time that writing may take while changes go on."""


@dataclass(frozen=True, slots=True)
class Written:
    """What the cache holds, in monotonic seconds."""

    sequence: int = -1
    """Journal sequence of the picture."""
    at: float = float("-inf")
    """When its writing ended."""
    cost: float = 0.0
    """Seconds that writing it took."""


def is_worth_writing(written: Written, sequence: int, changed_at: float, now: float) -> bool:
    """Whether to write now: something is new, and it is quiet or the cache has become old."""
    if sequence == written.sequence:
        return False
    if now - changed_at >= QUIET_SECONDS:
        return True
    return now - written.at >= max(BUSY_SECONDS, written.cost / SHARE)


class SnapshotCache:
    """The engine's hand on snapshot.json; its reader is made when it is needed first."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._reader: Reader | None = None
        self._written = Written(at=time.monotonic())
        self._seen = -1
        self._changed_at = time.monotonic()

    def keep(self, sequence: int, force: bool = False) -> None:
        """Write the picture of the journal at ``sequence`` if it is time, or if it must be."""
        now = time.monotonic()
        if sequence != self._seen:
            self._seen, self._changed_at = sequence, now
        is_new = sequence != self._written.sequence
        if (force and is_new) or is_worth_writing(self._written, sequence, self._changed_at, now):
            self._write(sequence)

    def _write(self, sequence: int) -> None:
        start = time.monotonic()
        if self._reader is None:
            self._reader = Reader(self._layout.root)
        snapshot = self._reader.poll(time.time())
        write_snapshot(self._layout, snapshot, self._reader.offset)
        end = time.monotonic()
        self._written = Written(sequence, end, end - start)
