"""Cells that were only asked for: those that wait for the same look the same."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Hashable

from tuilab.grid.jobs import Plan
from tuilab.grid.states import JobStatus, for_epoch
from tuilab.store.snapshot import CellView
from tuilab.store.time_left import StageClock


class WaitingCells:
    """Looks at one cell of those whose jobs are of the same kinds and wait for the same.

    All that differs between them is their names, and what a cell shows names only jobs that they
    share. A grid of 100,000 cells waits for hundreds of things.
    """

    def __init__(self, plan: Plan, status: Callable[[str], JobStatus]) -> None:
        self._table, self._status = plan.table, status
        self._above: dict[Hashable, list[JobStatus] | None] = {}
        """Statuses of the shared jobs that the jobs of some kinds and a seed read."""
        self._at: dict[Hashable, int] = {}
        self._likes: list[CellView] = []
        self._counts: Counter[int] = Counter()
        self._like_at = array("I", bytes(4 * len(plan.cells)))

    def take(self, at: int, own: list[int], look: Callable[[int], CellView]) -> bool:
        """Take in the cell at a place with its jobs; False where it must be looked at by itself."""
        table = self._table
        kinds = tuple([table.of_kind[job] for job in own])
        epoch, seed = table.of_epoch[own[0]], table.of_seed[own[0]]
        if (kinds, seed) not in self._above:
            self._above[kinds, seed] = self._shared(kinds, seed)
        above = self._above[kinds, seed]
        if above is None:
            return False
        moment = table.epochs[epoch]
        seen = tuple([one.result and for_epoch(one, moment).state for one in above])
        like = self._at.get((kinds, seed, seen))
        if like is None:
            view = look(at)
            if view.stage != table.stage_at(own[0]):
                return False
            like = self._at[kinds, seed, seen] = len(self._likes)
            self._likes.append(view)
        self._like_at[at] = like
        self._counts[like] += 1
        return True

    def like(self, at: int) -> CellView:
        """Return the cell that was looked at for the one at a place."""
        return self._likes[self._like_at[at]]

    def tell(self, clock: StageClock) -> None:
        """Tell a clock of all their jobs."""
        for like, count in self._counts.items():
            for status in self._likes[like].jobs:
                clock.note_ahead(status, count)

    def _shared(self, kinds: tuple[int, ...], seed: int) -> list[JobStatus] | None:
        """Read what stands above; None where a job reads one of another cell, or the first of its
        own cell: it would not be what the cell shows."""
        table, number = self._table, self._table.seeds[seed]
        own = {
            f"{kind.stage.value}/{kind.source}@#" for kind in map(table.kinds.__getitem__, kinds)
        }
        found = {}
        for place, kind in enumerate(kinds):
            for parent in table.kinds[kind].parents:
                if parent.endswith("@#") and (not place or parent not in own):
                    return None
                if not parent.endswith("@#"):
                    name = f"{parent}{number}" if parent.endswith("#") else parent
                    if "@" in name.partition("/")[2] and table.cell_at(table.places[name]):
                        return None
                    found[name] = self._status(name)
        return list(found.values())
