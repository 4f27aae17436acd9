"""Late results are neither lost nor out of order."""

from __future__ import annotations

import pytest
import torch

from runners.fast.readback import Readback


def devices() -> list[object]:
    lacking = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
    return ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, lacking])]


@pytest.mark.parametrize("device", devices())
def test_every_result_arrives_once_and_in_order(device: str) -> None:
    queue: Readback[int] = Readback(depth=2)
    found = []
    for step in range(7):
        value = torch.full((2,), float(step), device=device)
        found += queue.push(step, value)
        value.fill_(-1.0)
        assert step - len(found) < 2
    found += queue.flush()
    assert found == [(step, [float(step)] * 2) for step in range(7)]
    assert queue.flush() == []
