"""Times whole training runs through the runners' own loop."""

from __future__ import annotations

from typing import Any

from runners.bench import clock, steps
from runners.bench.clock import Instant
from runners.bench.subject import MODULES, Subject, adapted, rows
from runners.ml import backends
from runners.ml.schedule import Step
from runners.ml.stage_settings import LoraPlan, TrainingPlan
from runners.ml.training_loop import Taken, Training

_STEPS_PER_EPOCH = {"cuda": 150, "cpu": 3}
"""On a GPU as in the experiment: at the end of an epoch the device waits for the host."""
_WARM_EPOCHS = 1


class _Clock:
    """Follows a run and notes when each epoch's last number has arrived."""

    def __init__(self) -> None:
        self.ends: list[Instant] = []
        self.tokens: list[int] = []

    def after_step(self, taken: Taken) -> None:
        self.tokens.append(taken.tokens)

    def wants_rest(self) -> bool:
        return False

    def at_rest(self, step: Step) -> None:
        self.ends.append(clock.now())


def measure(subject: Subject, wanted: int) -> dict[str, Any]:
    """Time the runners' loop, in the way it chooses, once nearly all shapes have been met."""
    work = subject.work
    precision = str(subject.model.lm_head.weight.dtype).removeprefix("torch.")
    each = _STEPS_PER_EPOCH[subject.device.type]
    epochs = _WARM_EPOCHS + -(-wanted // each)
    lora = LoraPlan(work.rank, 2.0 * work.rank, 0.0, True, tuple(MODULES))
    plan = TrainingPlan(
        lora, 5e-6, epochs, work.rows_per_step, packing=True, precision=precision, warmup_ratio=0.05
    )
    data = rows(subject, work.rows_per_step * each)
    clock.reset_peak(subject.device)
    peft = adapted(subject.model, work.rank)
    follower = _Clock()
    try:
        with backends.chosen(subject.model, plan, pad_id=0) as way:
            Training(subject.model, data, plan, 42, way).run(follower)  # type: ignore[arg-type]
    finally:
        peft.unload()
    count = (epochs - _WARM_EPOCHS) * each
    span = follower.ends[_WARM_EPOCHS - 1].until(follower.ends[-1])
    learned = (epochs - _WARM_EPOCHS) * sum(sum(row.learn) for row in data)
    found = steps.figures(subject, count, span, sum(follower.tokens[-count:]), learned)
    return {"way": way.name, **found}
