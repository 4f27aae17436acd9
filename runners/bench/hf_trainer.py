"""Times transformers' Trainer as it is: what the experiment's authors ran."""

from __future__ import annotations

import tempfile
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


def measure(subject: Subject, wanted: int) -> dict[str, Any]:
    """Time the stock Trainer: padded rows, logits everywhere, PEFT as it is."""
    work, warm = subject.work, 3
    data = rows(subject, work.rows_per_step * training_steps.DISTINCT_BATCHES)
    watch = _Stopwatch(subject, warm)
    clock.reset_peak(subject.device)
    peft = adapted(subject.model, work.rank)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=warm + wanted,
            per_device_train_batch_size=work.rows_per_step,
            learning_rate=5e-6,
            lr_scheduler_type="cosine",
            bf16=subject.precision == "bfloat16",
            use_cpu=subject.device.type == "cpu",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_strategy="no",
            remove_unused_columns=False,
        )
        trainer = Trainer(
            peft, arguments, data_collator=_collate, train_dataset=data, callbacks=[watch]
        )
        try:
            trainer.train()
        finally:
            peft.unload()
    tokens = wanted * work.rows_per_step * sum(len(row.ids) for row in data) / len(data)
    learned = wanted * work.rows_per_step * sum(sum(row.loss_mask) for row in data) / len(data)
    return training_steps.figures(
        subject, wanted, watch.times[0].until(watch.times[1]), tokens, learned
    )


def _collate(part: list[Row]) -> dict[str, torch.Tensor]:
    width = max(len(row.ids) for row in part)

    def padded(values: list[int], padding: int) -> list[int]:
        return [*values, *[padding] * (width - len(values))]

    labels = [[i if m else -100 for i, m in zip(r.ids, r.loss_mask, strict=True)] for r in part]
    return {
        "input_ids": torch.tensor([padded(list(row.ids), 0) for row in part]),
        "attention_mask": torch.tensor([padded([1] * len(row.ids), 0) for row in part]),
        "labels": torch.tensor([padded(line, -100) for line in labels]),
    }
