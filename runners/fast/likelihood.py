"""The log-probability of given answers: one pass over packed rows, the head where answers are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from runners.fast.decoder import Decoder
from runners.fast.packing import pack


@dataclass(frozen=True, slots=True)
class Answered:
    """A prompt with an answer at its end."""

    ids: tuple[int, ...]
    count: int
    """Tokens of the answer."""

    @property
    def loss_mask(self) -> list[bool]:
        """True where the token is the answer's, as ``pack`` takes it."""
        return [place >= len(self.ids) - self.count for place in range(len(self.ids))]


@torch.no_grad()
def log_likelihoods(decoder: Decoder, rows: Sequence[Answered]) -> list[float]:
    """Return each answer's summed log-probability in nats, float32.

    Not under inference mode: the weights that the decoder gives back are trained on later.
    """
    batch = pack(rows).to(decoder.device)
    attend = decoder.within(batch.cu_seqlens, batch.lengths, batch.max_seqlen)
    hidden = decoder(batch.ids, batch.positions, attend, batch.where)
    losses = functional.cross_entropy(
        decoder.logits(hidden).float(), batch.targets, reduction="none"
    )
    return [-float(part.sum()) for part in losses.cpu().split([row.count for row in rows])]
