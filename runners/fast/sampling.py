"""Draws the next token from logits, with transformers' warpers in the order of its generate."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import (
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from runners.fast import ops


@dataclass(frozen=True, slots=True)
class TokenSampler:
    """How a token is drawn."""

    temperature: float = 1.0
    """0 takes the likeliest token."""
    top_p: float = 1.0
    top_k: int = 0
    """0 keeps all tokens."""

    def draw(self, logits: torch.Tensor) -> torch.Tensor:
        """Return one token per row of logits [b, vocabulary], [b] int64."""
        if self.temperature == 0.0:
            return logits.argmax(-1)
        draw = ops.for_device(logits.device.type).draw
        if not self.top_k and self.top_p == 1.0:
            return draw(logits, self.temperature)
        scores = self._warpers()(None, logits.float())  # type: ignore[arg-type]  # ids are not read
        return draw(scores, 1.0)

    def _warpers(self) -> LogitsProcessorList:
        found = LogitsProcessorList()
        if self.temperature != 1.0:
            found.append(TemperatureLogitsWarper(self.temperature))
        if self.top_k:
            found.append(TopKLogitsWarper(self.top_k))
        if self.top_p < 1.0:
            found.append(TopPLogitsWarper(self.top_p))
        return found
