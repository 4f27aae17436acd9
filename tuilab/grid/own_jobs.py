"""Which jobs each cell has to itself, as columns; pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from tuilab.grid.jobs import Plan
from tuilab.grid.stages import OWN_STAGES


class OwnJobs:
    """The jobs that each cell has to itself; cells in grid order, those without one left out."""

    def __init__(self, plan: Plan) -> None:
        table, wide = plan.table, len(OWN_STAGES)
        rank = {stage: at for at, stage in enumerate(OWN_STAGES)}
        source_at = {source: at for at, source in enumerate(plan.sources)}
        seed_at = {seed: at for at, seed in enumerate(plan.seeds)}
        epoch_at = {epoch: at for at, epoch in enumerate(plan.epochs)}
        row, most = len(plan.epochs) * wide, len(plan.cells) * wide
        first = [
            source_at[kind.source] * len(plan.seeds) * row + rank[kind.stage]
            if kind.stage in rank and kind.source in source_at
            else None
            for kind in table.kinds
        ]
        of_seed = [seed_at[seed] * row if seed in seed_at else most for seed in table.seeds]
        of_epoch = [epoch_at[one] * wide if one in epoch_at else most for one in table.epochs]
        slots = array("I", bytes(4 * most))
        columns = zip(table.of_kind, table.of_epoch, table.of_seed, strict=True)
        for place, (kind, epoch, seed) in enumerate(columns, 1):
            if (begin := first[kind]) is not None:
                slot = begin + of_seed[seed] + of_epoch[epoch]
                if slot < most:
                    slots[slot] = place
        self._slots, self._wide = slots, wide
        self._rows = [at for at in range(0, most, wide) if any(slots[at : at + wide])]
        is_all = len(self._rows) == len(plan.cells)
        self.cells = plan.cells if is_all else [plan.cells[at // wide] for at in self._rows]

    def __getitem__(self, place: int) -> list[int]:
        """Return the places of the jobs of the cell at a place, in the order of stages."""
        row = self._rows[place]
        return [slot - 1 for slot in self._slots[row : row + self._wide] if slot]

    def __iter__(self) -> Iterator[list[int]]:
        return map(self.__getitem__, range(len(self.cells)))
