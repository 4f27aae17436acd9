"""Runs our loop and the stock Trainer in turns, so that a busy machine slows both alike."""

from __future__ import annotations

import statistics
from typing import Any

from runners.bench import hf_trainer, training_runs
from runners.bench.subject import Subject

_ROUNDS = 5
_MEASURED = ("ms_per_step", "cpu_ms_per_step")


def measure(subject: Subject, steps: int, rounds: int = _ROUNDS) -> dict[str, Any]:
    """Return the median time of a step on each side, and the median ratio of a round."""
    seen = [
        (training_runs.measure(subject, steps), hf_trainer.measure(subject, steps))
        for _ in range(rounds)
    ]
    found: dict[str, Any] = {"rounds": rounds}
    for name in _MEASURED:
        ours, theirs = ([one[side][name] for one in seen] for side in (0, 1))
        found[name] = statistics.median(ours)
        found[f"stock_{name}"] = statistics.median(theirs)
        found[f"times_faster_{name}"] = statistics.median(
            b / a for a, b in zip(ours, theirs, strict=True)
        )
    return found
