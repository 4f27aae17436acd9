"""Measures the machine's peak rates: matrix products at the model's shapes, and copies."""

from __future__ import annotations

from typing import Any

import torch

from runners.bench import clock
from runners.bench.subject import Subject

_ROUNDS = 4
_COPY_BYTES = {"cuda": 8 << 30, "cpu": 256 << 20}


def measure(subject: Subject) -> dict[str, Any]:
    """Return TFLOP/s of each product of a training step, their mean by work, and TB/s of a copy."""
    tokens = subject.work.rows_per_step * subject.work.row_tokens
    tokens += -tokens % 128
    found = {
        name: _product(subject, rows, inner, columns)
        for name, (rows, inner, columns) in _shapes(subject, tokens).items()
    }
    work = sum(flops for flops, _ in found.values())
    time = sum(flops / rate for flops, rate in found.values())
    square = 8192 if subject.device.type == "cuda" else 512
    return {
        "tokens": tokens,
        "products_tflops": {name: rate / 1e12 for name, (_, rate) in found.items()},
        "step_tflops": work / time / 1e12,
        "square_tflops": _product(subject, square, square, square)[1] / 1e12,
        "copy_tb_s": _copy(subject.device) / 1e12,
    }


def _shapes(subject: Subject, tokens: int) -> dict[str, tuple[int, int, int]]:
    shape = subject.shape
    joint = (shape.heads + 2 * shape.kv_heads) * shape.width
    pairs = {
        "qkv": (shape.hidden, joint),
        "out": (shape.hidden, shape.hidden),
        "gate_up": (shape.hidden, 2 * shape.intermediate),
        "down": (shape.intermediate, shape.hidden),
    }
    forward = {name: (tokens, inner, outer) for name, (inner, outer) in pairs.items()}
    backward = {f"{name} back": (tokens, outer, inner) for name, (inner, outer) in pairs.items()}
    return forward | backward


def _product(subject: Subject, rows: int, inner: int, columns: int) -> tuple[float, float]:
    """Return the FLOP of one product and the FLOP/s, over operands that do not stay cached."""

    def operands(height: int) -> list[torch.Tensor]:
        made = (torch.randn(height, inner, device=subject.device) for _ in range(3))
        return [matrix.to(subject.dtype) for matrix in made]

    left, right = operands(rows), operands(columns)

    def work() -> None:
        for _ in range(_ROUNDS):
            for a, b in zip(left, right, strict=True):
                a @ b.T

    flops = 2.0 * rows * inner * columns
    count = _ROUNDS * len(left)
    return flops, count * flops / clock.seconds(work, subject.device, repeats=5)


def _copy(device: torch.device) -> float:
    """Return bytes read and written per second."""
    source = torch.ones(_COPY_BYTES[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.numel() / clock.seconds(lambda: target.copy_(source), device, repeats=5)
