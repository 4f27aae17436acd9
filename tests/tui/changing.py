"""A grid in which another cell changes at every look; benchmarks and painting are tried on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from tests.tui.examples import Fixed, large
from tuilab.grid.states import State
from tuilab.store.snapshot import Snapshot

ENDED = "all changed"
"""Its name after the last change."""


class Changing(Fixed):
    """Another cell is done, or runs again, at every look up to the last change."""

    def __init__(self, snapshot: Snapshot, last: int | None = None) -> None:
        super().__init__(snapshot)
        self._last = last

    def poll(self, now: float) -> Snapshot:
        number = self.snapshot.sequence
        if self._last is not None and number >= self._last:
            return self.snapshot
        place = number * 7 % len(self.snapshot.cells)
        view = self.snapshot.cells[place]
        state = State.RUNNING if view.state is State.DONE else State.DONE
        cells = list(self.snapshot.cells)
        cells[place] = replace(view, state=state, percent=float(number % 100))
        counts = Counter(self.snapshot.counts)
        counts[view.state.value] -= 1
        counts[state.value] += 1
        self.snapshot = replace(
            self.snapshot,
            name=ENDED if number + 1 == self._last else self.snapshot.name,
            cells=tuple(cells),
            counts=counts,
            sequence=number + 1,
        )
        return self.snapshot


def changing(sources: int, epochs: int, last: int | None = None) -> Changing:
    """Return such a grid; one label in two has wide signs."""
    made = large(Path.cwd(), sources, epochs).snapshot
    labels = {
        key: f"東京 {key}" if n % 2 else label for n, (key, label) in enumerate(made.labels.items())
    }
    return Changing(replace(made, labels=labels), last)
