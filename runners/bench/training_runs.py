"""Times whole runs of the runners' training loop."""

from __future__ import annotations

from typing import Any

from runners.bench import clock, training_steps
from runners.bench.clock import Instant
from runners.bench.subject import Subject, adapted, lora_settings, rows
from runners.ml.backends import select_backend
from runners.ml.schedule import Step
from runners.ml.stage_settings import TrainingSettings
from runners.ml.training_loop import StepResult, TrainingLoop

_STEPS_PER_EPOCH = {"cuda": 150, "cpu": 3}
"""On a GPU as in the experiment: at the end of an epoch the device waits for the host."""
_WARM_EPOCHS = 1


class _EpochTimes:
    """Callbacks that note when each epoch's last number has arrived."""

    def __init__(self) -> None:
        self.ends: list[Instant] = []
        self.tokens: list[int] = []

    def after_step(self, result: StepResult) -> None:
        self.tokens.append(result.tokens)

    def wants_checkpoint(self) -> bool:
        return False

    def checkpoint(self, step: Step) -> None:
        self.ends.append(clock.now())


def measure(subject: Subject, wanted: int) -> dict[str, Any]:
    """Time the loop with the backend that it selects, once nearly all shapes have been met."""
    work = subject.work
    each = _STEPS_PER_EPOCH[subject.device.type]
    epochs = _WARM_EPOCHS + -(-wanted // each)
    settings = TrainingSettings(
        lora_settings(work.rank),
        lr=5e-6,
        epochs=epochs,
        batch_size=work.rows_per_step,
        packing=True,
        precision=subject.precision,
        warmup_ratio=0.05,
    )
    data = rows(subject, work.rows_per_step * each)
    clock.reset_peak(subject.device)
    peft = adapted(subject.model, work.rank)
    times = _EpochTimes()
    try:
        with select_backend(subject.model, settings, pad_id=0) as backend:
            TrainingLoop(subject.model, data, settings, 42, backend).run(times)
    finally:
        peft.unload()
    count = (epochs - _WARM_EPOCHS) * each
    span = times.ends[_WARM_EPOCHS - 1].until(times.ends[-1])
    learned = (epochs - _WARM_EPOCHS) * sum(sum(row.loss_mask) for row in data)
    found = training_steps.figures(subject, count, span, sum(times.tokens[-count:]), learned)
    return {"backend": backend.name, **found}
