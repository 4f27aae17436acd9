"""Lays the rows of a batch end to end, without padding between them, and moves them in one copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch.nn import functional

_FEW_PLACES, _MANY_PLACES, _LONG = 32, 128, 512


class Row(Protocol):
    """A training sequence."""

    @property
    def ids(self) -> Sequence[int]:
        """The tokens."""
        ...

    @property
    def learn(self) -> Sequence[bool]:
        """True where the token is a target of the loss."""
        ...


@dataclass(frozen=True, slots=True)
class Packed:
    """Segments laid end to end; t tokens in all. A last segment without targets may fill up.

    A row's last target and what follows it are no input: nothing that is predicted depends on them.
    """

    ids: torch.Tensor
    """[t] int64."""
    positions: torch.Tensor
    """[t] int64, restarting at 0 in each segment."""
    bounds: torch.Tensor
    """[segments + 1] int32: where each segment starts, and t."""
    where: torch.Tensor
    """[n] int64: the positions that predict a target."""
    targets: torch.Tensor
    """[n] int64: the tokens to predict there."""
    lengths: tuple[int, ...]
    """Tokens of each segment, known to the host."""
    rows: int
    """How many of the segments are rows: one each, in their order."""
    tokens: int
    """Tokens of the rows as they were given."""

    longest: int
    """Tokens of the longest segment, or a bound above it."""

    def flat(self) -> torch.Tensor:
        """Return all tensors end to end, int64."""
        return torch.cat([part.long() for part in self._tensors()])

    def laid_in(self, flat: torch.Tensor) -> Packed:
        """Return this batch with its tensors as views into ``flat``, wherever that lies."""
        sizes = [len(part) for part in self._tensors()]
        ids, positions, where, targets, bounds = flat.split(sizes)
        return replace(
            self, ids=ids, positions=positions, where=where, targets=targets, bounds=bounds.int()
        )

    def to(self, device: torch.device) -> Packed:
        """Move everything; to CUDA as one asynchronous copy out of pinned memory."""
        if device.type != "cuda":
            return self
        return self.laid_in(self.flat().pin_memory().to(device, non_blocking=True))

    def _tensors(self) -> tuple[torch.Tensor, ...]:
        return self.ids, self.positions, self.where, self.targets, self.bounds


def pack(rows: Sequence[Row], multiple: int = 1) -> Packed:
    """Pack rows in the given order and fill up to a multiple of ``multiple`` tokens.

    The filling is a segment of its own, without targets.
    """
    lengths = [_inputs(row) for row in rows]
    ids = [token for row, length in zip(rows, lengths, strict=True) for token in row.ids[:length]]
    if filling := -len(ids) % multiple:
        lengths.append(filling)
        ids += [0] * filling
    bounds = torch.tensor([0, *lengths]).cumsum(0).int()
    where, targets = _targets(rows, bounds.tolist())
    return Packed(
        ids=torch.tensor(ids),
        positions=positions_of(lengths),
        bounds=bounds,
        where=torch.tensor(where, dtype=torch.int64),
        targets=torch.tensor(targets, dtype=torch.int64),
        lengths=tuple(lengths),
        rows=len(rows),
        tokens=sum(len(row.ids) for row in rows),
        longest=max(lengths),
    )


def positions_of(lengths: Sequence[int]) -> torch.Tensor:
    """Count from 0 within each of several sequences laid end to end, [t] int64."""
    return torch.cat([torch.arange(length) for length in lengths])


def evened(batch: Packed, longest: int = 0) -> Packed:
    """Round up what differs from batch to batch, so that few shapes remain; adds no work.

    There is always a last segment without targets, if need be an empty one; places without a
    target predict -100, which the loss leaves out. The bound on segments is at least ``longest``.
    """
    bounds, lengths = batch.bounds, batch.lengths
    if batch.rows == len(lengths):
        bounds, lengths = torch.cat((bounds, bounds[-1:])), (*lengths, 0)
    count = len(batch.where)
    spare = -count % (_FEW_PLACES if count <= _FEW_PLACES else _MANY_PLACES)
    return replace(
        batch,
        bounds=bounds,
        lengths=lengths,
        where=functional.pad(batch.where, (0, spare)),
        targets=functional.pad(batch.targets, (0, spare), value=-100),
        longest=max(longest, batch.longest + -batch.longest % _LONG),
    )


def _inputs(row: Row) -> int:
    """Count the tokens before the last target; a row without a target keeps its first token."""
    learned = (place for place in range(len(row.ids) - 1, 0, -1) if row.learn[place])
    return next(learned, 1)


def _targets(rows: Sequence[Row], starts: Sequence[int]) -> tuple[list[int], list[int]]:
    """Shift the loss mask by one: position i - 1 predicts token i."""
    where, targets = [], []
    for row, start in zip(rows, starts, strict=False):
        for place, learn in enumerate(row.learn):
            if learn and place > 0:
                where.append(start + place - 1)
                targets.append(row.ids[place])
    return where, targets
