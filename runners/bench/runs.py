"""Times whole training runs: the runners' own loop, and transformers' Trainer as it comes."""

from __future__ import annotations

import tempfile
import time
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from runners.bench import clock, steps
from runners.bench.subject import MODULES, Row, Subject, adapted, rows
from runners.ml import ways
from runners.ml.loop import Taken, Training
from runners.ml.plans import LoraPlan, TrainingPlan
from runners.ml.schedule import Step

_STEPS_PER_EPOCH = {"cuda": 12, "cpu": 3}


class _Clock:
    """Follows a run and notes when each epoch's last number has arrived."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.tokens: list[int] = []

    def after_step(self, taken: Taken) -> None:
        self.tokens.append(taken.tokens)

    def wants_rest(self) -> bool:
        return False

    def at_rest(self, step: Step) -> None:
        self.ends.append(time.perf_counter())


def by_loop(subject: Subject, wanted: int) -> dict[str, Any]:
    """Time the runners' loop, in the way it chooses, after two epochs of warm-up."""
    work = subject.work
    precision = str(subject.model.lm_head.weight.dtype).removeprefix("torch.")
    each = _STEPS_PER_EPOCH[subject.device.type]
    epochs = 2 + -(-wanted // each)
    lora = LoraPlan(work.rank, 2.0 * work.rank, 0.0, True, tuple(MODULES))
    plan = TrainingPlan(
        lora, 5e-6, epochs, work.rows_per_step, packing=True, precision=precision, warmup_ratio=0.05
    )
    data = rows(subject, work.rows_per_step * each)
    clock.reset_peak(subject.device)
    peft = adapted(subject.model, work.rank)
    follower = _Clock()
    try:
        with ways.chosen(subject.model, plan, pad_id=0) as way:
            Training(subject.model, data, plan, 42, way).run(follower)  # type: ignore[arg-type]
    finally:
        peft.unload()
    count = (epochs - 2) * each
    seconds = follower.ends[-1] - follower.ends[1]
    learned = (epochs - 2) * sum(sum(row.learn) for row in data)
    found = steps.figures(subject, count, seconds, sum(follower.tokens[-count:]), learned)
    return {"way": way.name, **found}


class _Stopwatch(TrainerCallback):
    """Notes when the warm-up is over and when the last step is done."""

    def __init__(self, subject: Subject, warm: int) -> None:
        self._subject, self._warm = subject, warm
        self.times: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step in (self._warm, state.max_steps):
            clock.settle(self._subject.device)
            self.times.append(time.perf_counter())


def by_trainer(subject: Subject, wanted: int) -> dict[str, Any]:
    """Time the stock trainer: padded rows, logits everywhere, PEFT as it comes."""
    work, warm = subject.work, 3
    data = rows(subject, work.rows_per_step * _STEPS_PER_EPOCH[subject.device.type])
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
            bf16=subject.element == 2,
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
    learned = wanted * work.rows_per_step * sum(sum(row.learn) for row in data) / len(data)
    return steps.figures(subject, wanted, watch.times[1] - watch.times[0], tokens, learned)


def _collate(part: list[Row]) -> dict[str, torch.Tensor]:
    width = max(len(row.ids) for row in part)

    def filled(values: list[int], filling: int) -> list[int]:
        return [*values, *[filling] * (width - len(values))]

    labels = [[i if m else -100 for i, m in zip(r.ids, r.learn, strict=True)] for r in part]
    return {
        "input_ids": torch.tensor([filled(list(row.ids), 0) for row in part]),
        "attention_mask": torch.tensor([filled([1] * len(row.ids), 0) for row in part]),
        "labels": torch.tensor([filled(line, -100) for line in labels]),
    }
