"""Times one optimiser step, as in the training loop, in every variant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from runners.bench import clock, workload
from runners.bench.clock import Span
from runners.bench.subject import Subject, adapted, lora_settings, rows
from runners.fast import backends as fast_backends
from runners.fast.readback import Readback
from runners.ml import backends
from runners.ml.stage_settings import TrainingSettings
from runners.ml.training_rows import Row

DISTINCT_BATCHES = 12
"""So many batches differ; then they repeat."""

Loss = Callable[[Sequence[Row]], tuple[torch.Tensor, int]]
"""Rows -> (summed loss with its graph, number of targets)."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to compute a step."""

    name: str
    open: Callable[[Any], AbstractContextManager[Loss]]
    checkpointing: bool = False
    learn_answers: bool = False
    slow: bool = False
    """Measured with fewer steps."""


@contextmanager
def _plain(peft: Any) -> Iterator[Loss]:
    """PEFT under autocast as it is."""
    model = peft.get_base_model()
    precision = str(model.lm_head.weight.dtype).removeprefix("torch.")
    settings = TrainingSettings(lora_settings(1), 0.0, 1, 1, precision=precision)
    with loss_of(nullcontext(backends.PlainBackend(model, settings, pad_id=0))) as loss:
        yield loss


@contextmanager
def loss_of(backend: AbstractContextManager[Any]) -> Iterator[Loss]:
    """Turn a backend into a loss function."""
    with backend as found:

        def loss(part: Sequence[Row]) -> tuple[torch.Tensor, int]:
            batch = found.pack(part)
            return found.summed_loss(batch), len(batch.targets)

        yield loss


FUSED = Variant("fused", lambda p: loss_of(fast_backends.fused(p)))
"""What the runners use."""
VARIANTS = (
    Variant("PEFT, padded, checkpointing", _plain, checkpointing=True, slow=True),
    Variant("PEFT, padded", _plain, slow=True),
    Variant(
        "lean, packed, checkpointing", lambda p: loss_of(fast_backends.lean(p)), True, slow=True
    ),
    Variant("lean, packed", lambda p: loss_of(fast_backends.lean(p))),
    Variant(
        "fused, plain steps", lambda p: loss_of(fast_backends.fused(p, False, False)), slow=True
    ),
    Variant("fused, no graphs", lambda p: loss_of(fast_backends.fused(p, graphs=False))),
    FUSED,
    Variant(
        "fused, answers learned", lambda p: loss_of(fast_backends.fused(p)), learn_answers=True
    ),
)
"""In this order."""


def measure(subject: Subject, variant: Variant, steps: int) -> dict[str, Any]:
    """Run ``steps`` steps after a warm-up; return their mean time and what follows from it."""
    work = subject.work
    size = work.rows_per_step
    data = rows(subject, size * DISTINCT_BATCHES, variant.learn_answers)
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    clock.reset_peak(subject.device)
    peft = adapted(subject.model, work.rank)
    try:
        warm, span, tokens = _timed(subject, peft, variant, parts, steps)
    finally:
        peft.unload()
    learned = steps * sum(sum(row.loss_mask) for row in data) / len(parts)
    return {"warm_up_s": warm, **figures(subject, steps, span, tokens, learned)}


def figures(
    subject: Subject, steps: int, span: Span, tokens: float, learned: float
) -> dict[str, Any]:
    """Return what follows from the time of some steps over ``tokens`` with ``learned`` targets."""
    mean = subject.work.row_tokens
    flops = workload.training_flops(subject.shape, tokens, mean, learned, subject.work.rank)
    return {
        "steps": steps,
        "ms_per_step": 1e3 * span.wall / steps,
        "cpu_ms_per_step": 1e3 * span.cpu / steps,
        "us_per_token": 1e6 * span.wall / tokens,
        "tokens_per_step": tokens / steps,
        "tflops": flops / span.wall / 1e12,
        "peak_gib": clock.peak_gib(subject.device),
    }


def _timed(
    subject: Subject, peft: Any, variant: Variant, parts: list[list[Row]], steps: int
) -> tuple[float, Span, int]:
    """Return the seconds of the warm-up, the time of the steps, and the tokens of the steps.

    The warm-up meets every shape twice: the second time it may be captured as a graph.
    """
    warm = 3 if subject.device.type == "cpu" else 2 * DISTINCT_BATCHES
    peft.train()
    with (
        backends.checkpointing(peft.get_base_model()) if variant.checkpointing else nullcontext(),
        variant.open(peft) as loss,
    ):
        step = stepper(peft, loss)

        def run(count: int) -> None:
            for number in range(count):
                step(number, parts[number % len(parts)])

        warming = clock.once(lambda: run(2 if variant.slow else warm), subject.device).wall
        span = clock.once(lambda: run(steps), subject.device)
    tokens = sum(len(row.ids) for n in range(steps) for row in parts[n % len(parts)])
    return warming, span, tokens


def stepper(peft: Any, loss: Loss) -> Callable[[int, Sequence[Row]], None]:
    """Return one whole step: loss, gradients, clipping, AdamW, and the late readback."""
    trained = [p for p in peft.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-6, weight_decay=0.0, fused=True)
    late: Readback[int] = Readback()

    def step(number: int, part: Sequence[Row]) -> None:
        summed, count = loss(part)
        (summed / count).backward()
        norm = torch.nn.utils.clip_grad_norm_(trained, 1.0)
        late.push(number, torch.stack([summed.detach(), norm]))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step
