"""Packs the rows of a batch end to end, without padding between them; one copy moves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch.nn import functional

_FEW_TARGETS, _MANY_TARGETS, _LONG = 32, 128, 512


class Row(Protocol):
    """A training sequence."""

    @property
    def ids(self) -> Sequence[int]:
        """The tokens."""
        ...

    @property
    def loss_mask(self) -> Sequence[bool]:
        """True where the token is a target of the loss."""
        ...


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """Segments end to end, t tokens in all; a last segment without targets may be padding.

    A row's last target and what follows it are no input: no prediction depends on them.
    """

    ids: torch.Tensor
    """[t] int64."""
    positions: torch.Tensor
    """[t] int64, restarting at 0 in each segment."""
    cu_seqlens: torch.Tensor
    """[segments + 1] int32: the start of each segment, and t."""
    where: torch.Tensor
    """[n] int64: the positions that predict a target."""
    targets: torch.Tensor
    """[n] int64: the tokens to predict there."""
    lengths: tuple[int, ...]
    """Tokens of each segment, known to the host."""
    rows: int
    """How many of the segments are rows, one each and in their order."""
    tokens: int
    """Tokens of the rows as given."""
    max_seqlen: int
    """Tokens of the longest segment, or a bound above it."""

    def flat(self) -> torch.Tensor:
        """Return all tensors end to end, int64."""
        return torch.cat([part.long() for part in self._tensors()])

    def viewing(self, flat: torch.Tensor) -> PackedBatch:
        """Return this batch with its tensors as views into ``flat``, on any device."""
        sizes = [len(part) for part in self._tensors()]
        ids, positions, where, targets, cu_seqlens = flat.split(sizes)
        return replace(
            self,
            ids=ids,
            positions=positions,
            where=where,
            targets=targets,
            cu_seqlens=cu_seqlens.int(),
        )

    def to(self, device: torch.device) -> PackedBatch:
        """Move everything; to CUDA as one asynchronous copy from pinned memory."""
        if device.type != "cuda":
            return self
        return self.viewing(self.flat().pin_memory().to(device, non_blocking=True))

    def _tensors(self) -> tuple[torch.Tensor, ...]:
        return self.ids, self.positions, self.where, self.targets, self.cu_seqlens


def pack(rows: Sequence[Row], multiple: int = 1) -> PackedBatch:
    """Pack rows in the given order and pad to a multiple of ``multiple`` tokens.

    The padding is a segment of its own, without targets.
    """
    lengths = [_inputs(row) for row in rows]
    ids = [token for row, length in zip(rows, lengths, strict=True) for token in row.ids[:length]]
    if padding := -len(ids) % multiple:
        lengths.append(padding)
        ids += [0] * padding
    cu_seqlens = torch.tensor([0, *lengths]).cumsum(0).int()
    where, targets = shifted_targets(rows, cu_seqlens.tolist()[: len(rows)])
    return PackedBatch(
        ids=torch.tensor(ids),
        positions=positions_of(lengths),
        cu_seqlens=cu_seqlens,
        where=where,
        targets=targets,
        lengths=tuple(lengths),
        rows=len(rows),
        tokens=sum(len(row.ids) for row in rows),
        max_seqlen=max(lengths),
    )


def positions_of(lengths: Sequence[int]) -> torch.Tensor:
    """Count from 0 within each of several sequences end to end, [t] int64."""
    return torch.cat([torch.arange(length) for length in lengths])


def round_shapes(batch: PackedBatch, max_seqlen: int = 0) -> PackedBatch:
    """Round up the sizes that differ from batch to batch, so that few shapes remain; adds no work.

    The last segment is always one without targets, empty if need be; positions without a target
    predict -100, which the loss leaves out. ``max_seqlen`` is a lower bound on the batch's own.
    """
    cu_seqlens, lengths = batch.cu_seqlens, batch.lengths
    if batch.rows == len(lengths):
        cu_seqlens, lengths = torch.cat((cu_seqlens, cu_seqlens[-1:])), (*lengths, 0)
    count = len(batch.where)
    spare = -count % (_FEW_TARGETS if count <= _FEW_TARGETS else _MANY_TARGETS)
    return replace(
        batch,
        cu_seqlens=cu_seqlens,
        lengths=lengths,
        where=functional.pad(batch.where, (0, spare)),
        targets=functional.pad(batch.targets, (0, spare), value=-100),
        max_seqlen=max(max_seqlen, batch.max_seqlen + -batch.max_seqlen % _LONG),
    )


def shifted_targets(
    rows: Sequence[Row], starts: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the positions that predict a target and the targets, [n] int64 each.

    The loss mask is shifted by one: position i - 1 predicts token i.
    """
    where, targets = [], []
    for row, start in zip(rows, starts, strict=True):
        for position, is_target in enumerate(row.loss_mask):
            if is_target and position > 0:
                where.append(start + position - 1)
                targets.append(row.ids[position])
    return torch.tensor(where, dtype=torch.int64), torch.tensor(targets, dtype=torch.int64)


def _inputs(row: Row) -> int:
    """Count the tokens before the last target; a row without a target keeps its first token."""
    targets = (at for at in range(len(row.ids) - 1, 0, -1) if row.loss_mask[at])
    return next(targets, 1)
