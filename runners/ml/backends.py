"""How one micro-batch becomes a summed loss: which way, and the plain one through PEFT's layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

import torch
from torch.nn import functional

from runners.ml import batches
from runners.ml.batches import Batch
from runners.ml.stage_settings import TrainingPlan
from runners.ml.training_rows import Row


class Laid(Protocol):
    """Rows laid out for one forward pass."""

    @property
    def targets(self) -> torch.Tensor:
        """[n] int64: the tokens that are learned."""
        ...

    @property
    def tokens(self) -> int:
        """Real tokens, filling not counted."""
        ...


class Way(Protocol):
    """A way to the loss; all compute the same, up to rounding."""

    name: str
    """Recorded with the run, whose last bits depend on it."""

    def pack(self, rows: Sequence[Row]) -> Laid:
        """Lay rows out, on the model's device where the way does not send them there itself."""
        ...

    def summed_loss(self, batch: Any) -> torch.Tensor:
        """Return the summed cross-entropy (float32) at the loss positions, with its graph."""
        ...


class PlainWay:
    """Transformers' forward pass through PEFT's own layers, padded or packed: the oracle."""

    def __init__(self, model: Any, plan: TrainingPlan, pad_id: int) -> None:
        self.name = "plain-packed" if plan.packing else "plain-padded"
        self._model = model
        self._plan = plan
        self._pad_id = pad_id
        self._device = next(model.parameters()).device

    def pack(self, rows: Sequence[Row]) -> Batch:
        """Lay rows out as the plan says."""
        made = batches.packed(rows) if self._plan.packing else batches.padded(rows, self._pad_id)
        return made.to(self._device)

    def summed_loss(self, batch: Batch) -> torch.Tensor:
        """Return the loss; the head runs at the loss positions only.

        That is bit-identical to full logits, and for a vocabulary of 150,000 the difference
        between 0.3 and 40 GB.
        """
        with self._precision():
            hidden = self._model.model(
                input_ids=batch.input_ids,
                attention_mask=batch.mask,
                position_ids=batch.positions,
                use_cache=False,
            ).last_hidden_state
            chosen = hidden.flatten(0, 1).index_select(0, batch.where)
            logits = self._model.lm_head(chosen).float()
        return functional.cross_entropy(logits, batch.targets, reduction="sum")

    def _precision(self) -> AbstractContextManager[Any]:
        if self._plan.precision == "bfloat16":
            return torch.autocast(self._device.type, dtype=torch.bfloat16)
        return nullcontext()


@contextmanager
def chosen(model: Any, plan: TrainingPlan, pad_id: int) -> Iterator[Way]:
    """Yield the fastest way that computes what the plan says; ``model`` is the causal LM."""
    if why_not_fast(model, plan) is not None:
        with _checkpointing(model, plan):
            yield PlainWay(model, plan, pad_id)
        return
    from runners.fast import backends as fast

    with fast.best(model) as way:
        yield way


def why_not_fast(model: Any, plan: TrainingPlan) -> str | None:
    """Say why the packed fast paths cannot be used, or None when they can."""
    if not plan.packing:
        return "rows are to be padded"
    if plan.gradient_checkpointing:
        return "activations are to be recomputed"
    if plan.lora.dropout > 0:
        return "dropout masks are drawn in PEFT's layers"
    dtype = str(model.lm_head.weight.dtype).removeprefix("torch.")
    if dtype != plan.precision:
        return f"the base is {dtype}, its arithmetic is to be {plan.precision}"
    return None


@contextmanager
def _checkpointing(model: Any, plan: TrainingPlan) -> Iterator[None]:
    if not plan.gradient_checkpointing:
        yield
        return
    model.gradient_checkpointing_enable({"use_reentrant": False})
    try:
        yield
    finally:
        model.gradient_checkpointing_disable()
