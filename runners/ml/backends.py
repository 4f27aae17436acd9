"""How a micro-batch becomes a summed loss: selects the backend, and defines the plain one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.nn import functional

from runners.fast import llama_shape
from runners.fast.head import logits_at
from runners.fast.packing import shifted_targets
from runners.ml.stage_settings import TrainingSettings
from runners.ml.training_rows import Row

LOG = logging.getLogger(__name__)


class BatchLike(Protocol):
    """Rows as tensors for one forward pass."""

    @property
    def targets(self) -> torch.Tensor:
        """[n] int64: the tokens to predict."""
        ...

    @property
    def tokens(self) -> int:
        """Real tokens, padding not counted."""
        ...


class Backend(Protocol):
    """Computes the loss of a batch; all backends compute the same, up to rounding."""

    @property
    def name(self) -> str:
        """Recorded with the run, whose last bits depend on it."""
        ...

    def pack(self, rows: Sequence[Row]) -> BatchLike:
        """Make a batch of rows, as ``summed_loss`` takes it."""
        ...

    def summed_loss(self, batch: Any) -> torch.Tensor:
        """Return the summed cross-entropy (float32) at the loss positions, with its graph."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """b rows padded on the right to t tokens. A causal model never looks ahead into the padding."""

    input_ids: torch.Tensor
    """[b, t] int64."""
    where: torch.Tensor
    """[n] int64 into the flattened b * t hidden states: the positions that predict a target."""
    targets: torch.Tensor
    """[n] int64: the tokens to predict there."""
    tokens: int
    """Real tokens in the batch, padding not counted."""


class PlainBackend:
    """Transformers' forward pass over padded rows through PEFT's own layers: the reference."""

    name = "plain-padded"

    def __init__(self, model: Any, settings: TrainingSettings, pad_id: int) -> None:
        self._model = model
        self._settings = settings
        self._pad_id = pad_id
        self._device = next(model.parameters()).device

    def pack(self, rows: Sequence[Row]) -> Batch:
        """Pad rows on the model's device."""
        width = max(len(row.ids) for row in rows)
        ids = [[*row.ids, *[self._pad_id] * (width - len(row.ids))] for row in rows]
        where, targets = shifted_targets(rows, [index * width for index in range(len(rows))])
        found = [part.to(self._device) for part in (torch.tensor(ids), where, targets)]
        return Batch(found[0], found[1], found[2], sum(len(row.ids) for row in rows))

    def summed_loss(self, batch: Batch) -> torch.Tensor:
        """Return the summed cross-entropy in float32."""
        with self._precision():
            logits = logits_at(self._model, batch.where, input_ids=batch.input_ids)
        return functional.cross_entropy(logits, batch.targets, reduction="sum")

    def _precision(self) -> AbstractContextManager[Any]:
        if self._settings.precision == "bfloat16":
            return torch.autocast(self._device.type, dtype=torch.bfloat16)
        return nullcontext()


@contextmanager
def select_backend(model: Any, settings: TrainingSettings, pad_id: int) -> Iterator[Backend]:
    """Yield the fastest backend that computes what the settings say; ``model`` is the causal LM."""
    from runners.fast import backends as fast

    reason = why_not_fused(model, settings)
    if reason is None:
        with fast.fused(model) as backend:
            yield backend
        return
    LOG.info("training does not run through the fused layers: %s", reason)
    with checkpointing(model) if settings.gradient_checkpointing else nullcontext():
        if settings.packing:
            with fast.lean(model, settings.precision) as fallback:
                yield fallback
        else:
            yield PlainBackend(model, settings, pad_id)


def why_not_fused(model: Any, settings: TrainingSettings) -> str | None:
    """Return why training cannot go through the fused layers, or None when it can."""
    if not settings.packing:
        return "the rows are padded"
    if settings.gradient_checkpointing:
        return "gradient checkpointing is on"
    dtype = str(model.get_output_embeddings().weight.dtype).removeprefix("torch.")
    if dtype != settings.precision:
        return f"the base is {dtype} but training.precision is {settings.precision}"
    return llama_shape.why_not(model)


@contextmanager
def checkpointing(model: Any) -> Iterator[None]:
    """Recompute activations in the backward pass while the block runs."""
    model.gradient_checkpointing_enable({"use_reentrant": False})
    try:
        yield
    finally:
        model.gradient_checkpointing_disable()
