"""Packs the rows of a batch end to end, without padding between them; one copy moves them.

Rows that begin alike, as those of one persona do, may share their first tokens: what a causal model
computes for a token depends on the tokens before it alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch.nn import functional

_FEW_TARGETS, _MANY_TARGETS, _LONG, _SHARED = 32, 128, 512, 64
_WORTH = 64
"""Sharing pays from this part of all tokens: attention has to write the rows out."""


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
class Picks:
    """Tokens whose results are wanted, none twice, in any order."""

    rows: torch.Tensor
    """[t] int64: which of all T they are."""
    places: torch.Tensor
    """[T] int32: where each of all stands among them, or -1."""

    @classmethod
    def of(cls, rows: torch.Tensor, total: int) -> Picks:
        """Pick ``rows`` of ``total`` tokens."""
        places = rows.new_full((total,), -1, dtype=torch.int32)
        order = torch.arange(len(rows), dtype=torch.int32, device=rows.device)
        return cls(rows, places.index_copy_(0, rows, order))


@dataclass(frozen=True, slots=True)
class Sharing:
    """How the t tokens that are computed stand in the T tokens of the segments end to end."""

    source: torch.Tensor
    """[T] int64: which computed token stands here."""
    first: torch.Tensor
    """[t] int64: where each computed token stands first."""
    again: torch.Tensor
    """[copies, m] int64: where the first m computed tokens stand once more, or a token of the
    padding, which has no gradient. The others stand once."""

    @property
    def saved(self) -> int:
        """How many tokens are written out beyond those that are computed."""
        return len(self.source) - len(self.first)

    @property
    def shared(self) -> int:
        """How many computed tokens stand more than once: m."""
        return self.again.shape[1]

    def once(self) -> Picks:
        """Pick each computed token where it stands first."""
        return Picks.of(self.first, len(self.source))

    def tensors(self) -> tuple[torch.Tensor, ...]:
        """Return all tensors."""
        return self.source, self.first, self.again


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """Segments end to end, T tokens in all; a last segment without targets may be padding.

    A row's last target and what follows it are no input: no prediction depends on them. t tokens
    are computed: as many, or fewer where segments share tokens.
    """

    ids: torch.Tensor
    """[t] int64."""
    positions: torch.Tensor
    """[T] int64, restarting at 0 in each segment."""
    cu_seqlens: torch.Tensor
    """[segments + 1] int32: the start of each segment, and T."""
    where: torch.Tensor
    """[n] int64: the computed tokens that predict a target."""
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
    sharing: Sharing | None = None
    """None where each token of a segment is computed for itself: t = T."""

    def shape(self) -> tuple[int, ...]:
        """Return all sizes: batches of one shape run through the same graphs."""
        sizes = (size for part in self._tensors() for size in part.shape)
        return (*sizes, self.max_seqlen)

    def flat(self) -> torch.Tensor:
        """Return all tensors end to end, int64."""
        return torch.cat([part.long().view(-1) for part in self._tensors()])

    def viewing(self, flat: torch.Tensor) -> PackedBatch:
        """Return this batch with its tensors as views into ``flat``, on any device."""
        tensors = self._tensors()
        parts = flat.split([part.numel() for part in tensors])
        views = [view.view_as(part) for view, part in zip(parts, tensors, strict=True)]
        ids, positions, where, targets, cu_seqlens, *shared = views
        return replace(
            self,
            ids=ids,
            positions=positions,
            where=where,
            targets=targets,
            cu_seqlens=cu_seqlens.int(),
            sharing=Sharing(*shared) if shared else None,
        )

    def to(self, device: torch.device) -> PackedBatch:
        """Move everything; to CUDA as one asynchronous copy from pinned memory."""
        if device.type != "cuda":
            return self
        return self.viewing(self.flat().pin_memory().to(device, non_blocking=True))

    def _tensors(self) -> tuple[torch.Tensor, ...]:
        shared = () if self.sharing is None else self.sharing.tensors()
        return self.ids, self.positions, self.where, self.targets, self.cu_seqlens, *shared


def pack(
    rows: Sequence[Row], multiple: int = 1, remainder: int = 0, shares: bool = False
) -> PackedBatch:
    """Pack rows in the given order and pad the computed tokens to multiple * i + remainder.

    The padding is a segment of its own, without targets. With ``shares`` rows that begin alike
    share these tokens, where it pays.
    """
    lengths = [_inputs(row) for row in rows]
    ids = [token for row, length in zip(rows, lengths, strict=True) for token in row.ids[:length]]
    numbers = _numbers(rows, lengths) if shares else []
    saved = len(numbers) - len(set(numbers))
    if saved * _WORTH < len(ids):
        numbers, saved = [], 0
    # Where tokens are shared, at least one is padding: ``Sharing.again`` points at it.
    computed, least = len(ids) - saved, min(saved, 1)
    if padding := least + (remainder - computed - least) % multiple:
        lengths.append(padding)
        ids += [0] * padding
        numbers += range(computed, computed + padding) if numbers else ()
    cu_seqlens = torch.tensor([0, *lengths]).cumsum(0).int()
    where, targets = shifted_targets(rows, cu_seqlens.tolist()[: len(rows)])
    batch = PackedBatch(
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
    if not numbers:
        return batch
    sharing = _sharing(numbers, len(rows) - 1)
    shared_ids, where = batch.ids[sharing.first], sharing.source[where]
    return replace(batch, ids=shared_ids, where=where, sharing=sharing)


def _numbers(rows: Sequence[Row], lengths: Sequence[int]) -> list[int]:
    """Number the different tokens of rows end to end; shared ones are equal, with all before them.

    From its first prediction of a target on, a row shares nothing.
    """
    numbers: dict[tuple[int, int, int], int] = {}
    found: list[int] = []
    for index, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        first = next((at for at in range(1, len(row.ids)) if row.loss_mask[at]), 1)
        number = -1
        for place, token in enumerate(row.ids[:length]):
            key = (number, token, index if place >= first - 1 else -1)
            number = numbers.setdefault(key, len(numbers))
            found.append(number)
    return found


def _sharing(numbers: Sequence[int], copies: int) -> Sharing:
    """Order the computed tokens: those that stand up to ``copies`` times more, then all others."""
    counts = Counter(numbers)
    order = sorted(counts, key=lambda number: (counts[number] == 1, number))
    index_of = {number: index for index, number in enumerate(order)}
    places: list[list[int]] = [[] for _ in order]
    for place, number in enumerate(numbers):
        places[index_of[number]].append(place)
    nowhere = len(numbers) - 1
    later = [found[1:] for found in places if len(found) > 1]
    again = [[*found, *[nowhere] * (copies - len(found))] for found in later]
    return Sharing(
        source=torch.tensor([index_of[number] for number in numbers]),
        first=torch.tensor([found[0] for found in places]),
        again=torch.tensor(again).T.contiguous(),
    )


def positions_of(lengths: Sequence[int]) -> torch.Tensor:
    """Count from 0 within each of several sequences end to end, [t] int64."""
    return torch.cat([torch.arange(length) for length in lengths])


def round_shapes(batch: PackedBatch, before: PackedBatch | None = None) -> PackedBatch:
    """Round up the sizes that differ from batch to batch, so that few shapes remain; adds no work.

    The last segment is always one without targets, empty if need be; positions without a target
    predict -100, which the loss leaves out. Sizes that cost little are at least those of the batch
    that was rounded ``before``.
    """
    cu_seqlens, lengths = batch.cu_seqlens, batch.lengths
    if batch.rows == len(lengths):
        cu_seqlens, lengths = torch.cat((cu_seqlens, cu_seqlens[-1:])), (*lengths, 0)
    count = len(batch.where)
    spare = -count % (_FEW_TARGETS if count <= _FEW_TARGETS else _MANY_TARGETS)
    longest = batch.max_seqlen + -batch.max_seqlen % _LONG
    found = replace(
        batch,
        cu_seqlens=cu_seqlens,
        lengths=lengths,
        where=functional.pad(batch.where, (0, spare)),
        targets=functional.pad(batch.targets, (0, spare), value=-100),
        max_seqlen=max(longest, before.max_seqlen if before else 0),
    )
    if batch.sharing is None:
        return found
    return _round_sharing(found, batch.sharing, before.sharing if before else None)


def _round_sharing(batch: PackedBatch, sharing: Sharing, before: Sharing | None) -> PackedBatch:
    """Lengthen the padding by copies of its last token, and ``again`` by tokens of the padding."""
    more = max(_up(sharing.saved), before.saved if before else 0) - sharing.saved
    columns = max(_up(sharing.shared), before.shared if before else 0) - sharing.shared
    last = len(sharing.source) - 1
    cu_seqlens = batch.cu_seqlens.clone()
    cu_seqlens[-1] += more
    return replace(
        batch,
        positions=functional.pad(batch.positions, (0, more)),
        cu_seqlens=cu_seqlens,
        lengths=(*batch.lengths[:-1], batch.lengths[-1] + more),
        sharing=Sharing(
            source=functional.pad(sharing.source, (0, more), value=len(sharing.first) - 1),
            first=sharing.first,
            again=functional.pad(sharing.again, (0, columns), value=last),
        ),
    )


def _up(tokens: int) -> int:
    return tokens + -tokens % _SHARED


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
