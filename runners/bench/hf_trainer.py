"""Times a Trainer: transformers' own as it is, which the experiment's authors ran, or one of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from runners.bench import clock, training_steps
from runners.bench.clock import Instant
from runners.bench.subject import Subject, adapted, rows
from runners.ml.training_rows import Row


class _Stopwatch(TrainerCallback):
    """Notes when the warm-up is over and when the last step is done."""

    def __init__(self, subject: Subject, warm: int) -> None:
        self._subject, self._warm = subject, warm
        self.times: list[Instant] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step in (self._warm, state.max_steps):
            clock.settle(self._subject.device)
            self.times.append(clock.now())


def stock(peft: Any, options: dict[str, Any], data: list[Row], watch: Any) -> Any:
    """Make the stock Trainer: padded rows, logits everywhere, PEFT as it is."""
    arguments = TrainingArguments(**options)
    return Trainer(peft, arguments, data_collator=_collate, train_dataset=data, callbacks=[watch])


def measure(subject: Subject, wanted: int, make: Callable[..., Any] = stock) -> dict[str, Any]:
    """Time the Trainer that ``make`` makes over the batches of ``training_steps``, once warm."""
    work, distinct = subject.work, training_steps.DISTINCT_BATCHES
    warm = 3 if subject.device.type == "cpu" else distinct
    size = work.rows_per_step
    data = rows(subject, size * distinct)
    watch = _Stopwatch(subject, warm)
    clock.reset_peak(subject.device)
    peft = adapted(subject.model, work.rank)
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {
            "output_dir": folder,
            "max_steps": warm + wanted,
            "per_device_train_batch_size": work.rows_per_step,
            "train_sampling_strategy": "sequential",
            "learning_rate": 5e-6,
            "lr_scheduler_type": "cosine",
            "bf16": subject.precision == "bfloat16",
            "use_cpu": subject.device.type == "cpu",
            "save_strategy": "no",
            "report_to": [],
            "disable_tqdm": True,
            "logging_strategy": "no",
            "remove_unused_columns": False,
        }
        try:
            make(peft, options, [*data[-warm * size :], *data[: -warm * size]], watch).train()
        finally:
            peft.unload()
    timed = [row for step in range(wanted) for row in data[step % distinct * size :][:size]]
    tokens, learned = sum(len(row.ids) for row in timed), sum(sum(row.loss_mask) for row in timed)
    span = watch.times[0].until(watch.times[1])
    return training_steps.figures(subject, wanted, span, tokens, learned)


def labels(row: Row) -> list[int]:
    """Return the row's ids, with -100 where there is no loss."""
    return [i if mask else -100 for i, mask in zip(row.ids, row.loss_mask, strict=True)]


def _collate(part: list[Row]) -> dict[str, torch.Tensor]:
    width = max(len(row.ids) for row in part)

    def padded(values: list[int], padding: int) -> list[int]:
        return [*values, *[padding] * (width - len(values))]

    return {
        "input_ids": torch.tensor([padded(list(row.ids), 0) for row in part]),
        "attention_mask": torch.tensor([padded([1] * len(row.ids), 0) for row in part]),
        "labels": torch.tensor([padded(labels(row), -100) for row in part]),
    }
