"""Records which kernels a training step spends its time in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from runners.bench import clock, training_steps
from runners.bench.subject import Subject, adapted, rows

_STEPS = 3


def measure(subject: Subject, file: Path) -> dict[str, Any]:
    """Profile a few fused steps; return the share of the time in which the device was busy."""
    peft = adapted(subject.model, subject.work.rank)
    data = rows(subject, subject.work.rows_per_step)
    variant = next(v for v in training_steps.VARIANTS if v.name == "fused")
    activities = [torch.profiler.ProfilerActivity.CPU]
    if subject.device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    try:
        with variant.open(peft) as loss:
            step = training_steps.stepper(peft, loss)
            plain = clock.seconds(lambda: step(0, data), subject.device, repeats=5)
            with torch.profiler.profile(activities=activities) as seen:
                for number in range(_STEPS):
                    step(number, data)
                clock.settle(subject.device)
    finally:
        peft.unload()
    averages: Any = seen.key_averages()
    on_device = subject.device.type == "cuda"
    order = "self_device_time_total" if on_device else "self_cpu_time_total"
    file.write_text(averages.table(sort_by=order, row_limit=60, max_name_column_width=90))
    kind = "CUDA" if on_device else "CPU"
    busy = sum(getattr(event, order) for event in averages if event.device_type.name == kind)
    return {"step_s": plain, "busy_s": busy / _STEPS / 1e6}
