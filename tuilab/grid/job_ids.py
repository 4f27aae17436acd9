"""Ids of a plan's jobs by place and back, without an object for each; pure.

As texts in a dict those of 400,000 jobs take 65 MB; here they are written where somebody looks.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuilab.grid.lazy import Lazy

_SPARSE = 16
"""With so many slots for each job, a dict takes less."""


class JobIds(Lazy[str]):
    """Ids by place, from columns that say of each its head (``train/villain``), epoch and seed."""

    def __init__(
        self,
        heads: Sequence[str],
        epochs: Sequence[int | None],
        seeds: Sequence[int | None],
        columns: Sequence[array[int]],
    ) -> None:
        """``columns`` are indexes into the three, by place."""
        self.heads, self.columns = heads, columns
        self.epochs = ["" if epoch is None else f"@{epoch}" for epoch in epochs]
        self.seeds = ["" if seed is None else f"#{seed}" for seed in seeds]

    def at(self, place: int) -> str:
        """Write one id."""
        head, epoch, seed = (column[place] for column in self.columns)
        return self.heads[head] + self.epochs[epoch] + self.seeds[seed]

    def __len__(self) -> int:
        return len(self.columns[0])

    def __iter__(self) -> Iterator[str]:
        heads, epochs, seeds = self.heads, self.epochs, self.seeds
        rows = zip(*self.columns, strict=True)
        return (heads[head] + epochs[epoch] + seeds[seed] for head, epoch, seed in rows)


class Places(Mapping[str, int]):
    """Place of each job by its id, in order; fewer than ids where one is there twice.

    There is a slot for each head, epoch and seed: of a grid nearly all are jobs.
    """

    def __init__(self, ids: JobIds) -> None:
        self._ids, wide = ids, len(ids.seeds)
        row = wide * len(ids.epochs)
        self._heads = {head: at * row for at, head in enumerate(dict.fromkeys(ids.heads))}
        self._epochs = {epoch: at * wide for at, epoch in enumerate(ids.epochs)}
        self._seeds = {seed: at for at, seed in enumerate(ids.seeds)}
        room = row * len(self._heads)
        is_sparse = room > _SPARSE * len(ids)
        self._slots: array[int] | _Zeros = _Zeros() if is_sparse else array("I", bytes(4 * room))
        """One more than the place, 0 where no job is."""
        heads = list(map(self._heads.__getitem__, ids.heads))
        epochs = list(map(self._epochs.__getitem__, ids.epochs))
        seeds = list(map(self._seeds.__getitem__, ids.seeds))
        self._odd: dict[str, int] = {}
        """Those whose head holds a mark: they cannot be taken apart."""
        odd = {at for at, head in enumerate(ids.heads) if "@" in head or "#" in head}
        self._count = 0
        for place, (head, epoch, seed) in enumerate(zip(*ids.columns, strict=True)):
            slot = heads[head] + epochs[epoch] + seeds[seed]
            self._count += not self._slots[slot]
            self._slots[slot] = place + 1
            if head in odd:
                self._odd[ids[place]] = place

    def find(self, job: str) -> int | None:
        """Return the place of a job; None where it is none of these."""
        name, number, seed = job.partition("#")
        head, at, epoch = name.partition("@")
        try:
            slot = self._heads[head] + self._epochs[at + epoch] + self._seeds[number + seed]
        except KeyError:
            return self._odd.get(job)
        place = self._slots[slot]
        return place - 1 if place else None

    def get(self, job: str, default: Any = None) -> Any:
        """Return the place of a job; ``default`` where it is none of these."""
        return default if (place := self.find(job)) is None else place

    def __getitem__(self, job: str) -> int:
        if (place := self.find(job)) is None:
            raise KeyError(job)
        return place

    def __contains__(self, job: object) -> bool:
        return isinstance(job, str) and self.find(job) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return self._count


class _Zeros(dict[int, int]):
    def __missing__(self, slot: int) -> int:
        return 0
