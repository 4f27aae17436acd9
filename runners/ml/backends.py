"""How a micro-batch becomes a summed loss: selects the backend, and defines the plain one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch.nn import functional

from runners.fast.packing import positions_of, shifted_targets
from runners.ml.stage_settings import TrainingSettings
from runners.ml.training_rows import Row


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


class PlainBackend:
    """Transformers' forward pass through PEFT's own layers, padded or packed: the reference."""

    def __init__(self, model: Any, settings: TrainingSettings, pad_id: int) -> None:
        self.name = "plain-packed" if settings.packing else "plain-padded"
        self._model = model
        self._settings = settings
        self._pad_id = pad_id
        self._device = next(model.parameters()).device

    def pack(self, rows: Sequence[Row]) -> Batch:
        """Pack or pad rows, as the settings say."""
        packs = self._settings.packing
        batch = packed(rows) if packs else padded(rows, self._pad_id)
        return batch.to(self._device)

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
            states = hidden.flatten(0, 1).index_select(0, batch.where)
            logits = self._model.lm_head(states).float()
        return functional.cross_entropy(logits, batch.targets, reduction="sum")

    def _precision(self) -> AbstractContextManager[Any]:
        if self._settings.precision == "bfloat16":
            return torch.autocast(self._device.type, dtype=torch.bfloat16)
        return nullcontext()


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


@contextmanager
def select_backend(model: Any, settings: TrainingSettings, pad_id: int) -> Iterator[Backend]:
    """Yield the fastest backend that computes what the settings say; ``model`` is the causal LM."""
    if why_not_fast(model, settings) is not None:
        with checkpointing(model) if settings.gradient_checkpointing else nullcontext():
            yield PlainBackend(model, settings, pad_id)
        return
    from runners.fast import backends as fast

    with fast.fastest(model) as backend:
        yield backend


def why_not_fast(model: Any, settings: TrainingSettings) -> str | None:
    """Return why the packed backends cannot be used, or None when they can."""
    if not settings.packing:
        return "the rows are padded"
    if settings.gradient_checkpointing:
        return "gradient checkpointing is on"
    if settings.lora.dropout > 0:
        return "dropout masks are drawn in PEFT's layers"
    dtype = str(model.lm_head.weight.dtype).removeprefix("torch.")
    if dtype != settings.precision:
        return f"the base is {dtype} but training.precision is {settings.precision}"
    return None


@contextmanager
def checkpointing(model: Any) -> Iterator[None]:
    """Recompute activations in the backward pass while the block runs."""
    model.gradient_checkpointing_enable({"use_reentrant": False})
    try:
        yield
    finally:
        model.gradient_checkpointing_disable()
