"""Turns rows into tensors: padded, or packed into one sequence that does not mix its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from runners.fast.packing import positions_of, shifted_targets
from runners.ml.training_rows import Row


@dataclass(frozen=True, slots=True)
class Batch:
    """One forward pass. b rows padded to t tokens, or b = 1 and t the sum of the rows' lengths."""

    input_ids: torch.Tensor
    """[b, t] int64."""
    positions: torch.Tensor | None
    """[b, t] int64, restarting at 0 for each packed row; None: 0..t-1 everywhere."""
    mask: torch.Tensor | None
    """[1, 1, t, t] bool, True where a token may attend; None: plain causal attention."""
    where: torch.Tensor
    """[n] int64 into the flattened b * t hidden states: the positions that predict a target."""
    targets: torch.Tensor
    """[n] int64: the tokens to predict there."""
    tokens: int
    """Real tokens in the batch, padding not counted."""

    def to(self, device: torch.device) -> Batch:
        """Move the batch."""

        def moved(part: torch.Tensor) -> torch.Tensor:
            return part.to(device, non_blocking=True)

        return replace(
            self,
            input_ids=moved(self.input_ids),
            positions=None if self.positions is None else moved(self.positions),
            mask=None if self.mask is None else moved(self.mask),
            where=moved(self.where),
            targets=moved(self.targets),
        )


def padded(rows: Sequence[Row], pad_id: int) -> Batch:
    """Pad on the right. No attention mask is needed: a causal model never looks ahead into it."""
    width = max(len(row.ids) for row in rows)
    ids = [[*row.ids, *[pad_id] * (width - len(row.ids))] for row in rows]
    where, targets = shifted_targets(rows, [index * width for index in range(len(rows))])
    tokens = sum(len(row.ids) for row in rows)
    return Batch(torch.tensor(ids), None, None, where, targets, tokens)


def packed(rows: Sequence[Row]) -> Batch:
    """Pack the rows end to end; positions restart and no row sees another one."""
    lengths = [len(row.ids) for row in rows]
    starts = [sum(lengths[:index]) for index in range(len(lengths))]
    ids = torch.tensor([[token for row in rows for token in row.ids]])
    owner = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor(lengths))
    same_row = owner[:, None] == owner[None, :]
    mask = (same_row & torch.ones_like(same_row).tril())[None, None]
    where, targets = shifted_targets(rows, starts)
    return Batch(ids, positions_of(lengths)[None], mask, where, targets, sum(lengths))
