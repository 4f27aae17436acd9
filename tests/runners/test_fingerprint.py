"""The fingerprint of weights sees every bit and no order."""

from __future__ import annotations

import torch

from runners.ml import fingerprint


def test_one_bit_changes_the_fingerprint_of_a_model() -> None:
    weights = {"a": torch.randn(40, 7), "b": torch.randn(5).to(torch.bfloat16)}
    first = fingerprint.of_tensors(weights.items())
    assert first == fingerprint.of_tensors(reversed(list(weights.items())))
    swapped = {**weights, "a": weights["a"].flip(0)}
    assert fingerprint.of_tensors(swapped.items()) != first
    weights["b"].view(torch.int16)[2] ^= 1
    assert fingerprint.of_tensors(weights.items()) != first
