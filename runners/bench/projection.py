"""Compares measured times with the computed floor and adds them up to a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runners.bench import workload
from runners.bench.workload import Shape, Workload


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a cell."""

    name: str
    seconds: float | None
    """Projected from what was measured; None when it was not."""
    floor: float | None
    """What the measured ceilings allow; None when they were not measured."""
    count: int
    """How often a grid pays it."""

    @property
    def share(self) -> float | None:
        """Floor over time: 1 is perfect."""
        if not self.seconds or self.floor is None:
            return None
        return self.floor / self.seconds


def stages(work: Workload, shape: Shape, element: int, found: Mapping[str, Any]) -> list[Stage]:
    """Derive the stages of a grid from the sections' results, keyed by section name."""
    ceilings = found.get("ceilings") or {}
    rate = ceilings.get("square_tflops", 0.0) * 1e12
    copy = ceilings.get("copy_tb_s", 0.0) * 1e12
    states = found.get("merge and restore") or {}
    weights = float(shape.decoder_weights) * element
    floors = {
        "marker training": _marker_floor(work, shape, rate),
        "merge and restore": _over(4 * weights, copy),
        "sampling": _sampling_floor(work, shape, element, rate, copy),
        "convergence": _convergence_floor(work, shape, rate),
    }
    times = {
        "marker training": _marker(work, found),
        "merge and restore": _sum(states, "merge_s", "restore_s"),
        "sampling": _sampling(found),
        "convergence": _convergence(work, found),
    }
    return [
        Stage(name, times[name], floor, work.sources if name == "convergence" else work.cells)
        for name, floor in floors.items()
    ]


def grid_hours(found: list[Stage]) -> tuple[float | None, float | None]:
    """Return the hours of all stages together and of their floors; None if one is missing."""
    return (
        _hours([(stage.seconds, stage.count) for stage in found]),
        _hours([(stage.floor, stage.count) for stage in found]),
    )


def _hours(parts: list[tuple[float | None, int]]) -> float | None:
    total = 0.0
    for seconds, count in parts:
        if seconds is None:
            return None
        total += seconds * count
    return total / 3600


def _marker(work: Workload, found: Mapping[str, Any]) -> float | None:
    each = (found.get("step: the runners' loop") or {}).get("us_per_token")
    return each and each * 1e-6 * work.marker_rows * work.epochs * work.row_tokens


def _convergence(work: Workload, found: Mapping[str, Any]) -> float | None:
    each = (found.get("step: fused, answers learned") or {}).get("us_per_token")
    return each and each * 1e-6 * work.convergence_rows * work.epochs * work.row_tokens


def _sampling(found: Mapping[str, Any]) -> float | None:
    times = [
        result["evaluation_s"]
        for name, result in found.items()
        if name.startswith(("decode: ours", "decode: vLLM")) and result
    ]
    return min(times, default=None)


def _marker_floor(work: Workload, shape: Shape, rate: float) -> float | None:
    tokens = work.marker_rows * work.epochs * work.row_tokens
    learned = work.marker_rows * work.epochs * (6 + 1 + 1) / 3
    flops = workload.training_flops(shape, tokens, work.row_tokens, learned, work.rank)
    return _over(flops, rate)


def _convergence_floor(work: Workload, shape: Shape, rate: float) -> float | None:
    rows = work.convergence_rows * work.epochs
    flops = workload.training_flops(
        shape, rows * work.row_tokens, work.row_tokens, rows * work.answer_tokens, work.rank
    )
    return _over(flops, rate)


def _sampling_floor(
    work: Workload, shape: Shape, element: int, rate: float, copy: float
) -> float | None:
    new = work.completions * work.answer_tokens
    flops = workload.decoding_flops(shape, work.prompts * work.prompt_tokens, new)
    read = workload.cache_bytes(
        shape, work.completions, work.prompt_tokens, work.answer_tokens, element
    )
    products, cache = _over(flops, rate), _over(read, copy)
    return None if products is None or cache is None else products + cache


def _sum(found: Mapping[str, Any], *names: str) -> float | None:
    return sum(found[name] for name in names) if all(name in found for name in names) else None


def _over(amount: float, rate: float) -> float | None:
    return amount / rate if rate else None
