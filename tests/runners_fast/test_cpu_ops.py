"""The steps for a CPU against the plain functions that they replace, values and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from runners.fast import attention, attention_cpu, cpu_ops, torch_ops

LENGTHS = (9, 0, 14, 11, 1)
TOKENS = sum(LENGTHS)
BOUNDS = torch.tensor([0, *LENGTHS]).cumsum(0).int()


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def leaf(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def results(function: Callable[..., Any], *given: Any) -> list[torch.Tensor]:
    """Outputs, and gradients of a random weighting of them."""
    leaves = [g for g in given if isinstance(g, torch.Tensor) and g.requires_grad]
    out = function(*given)
    out = list(out) if isinstance(out, tuple) else [out]
    torch.manual_seed(5)
    loss = sum((o * torch.randn_like(o)).sum() for o in out)
    return [*out, *torch.autograd.grad(loss, leaves)]


def agree(found: Callable[..., Any], truth: Callable[..., Any], *given: Any) -> None:
    """The plain norm rounds to float32 inside; nothing else differs beyond float64."""
    for a, b in zip(results(found, *given), results(truth, *given), strict=True):
        assert torch.allclose(a.double(), b.double(), rtol=1e-6, atol=1e-6)


def test_the_norm_agrees_with_any_number_of_pad_columns() -> None:
    weight = torch.rand(16, dtype=torch.float64) + 0.5

    def roomy(x: torch.Tensor, change: torch.Tensor) -> Any:
        spoiled = torch.cat((change, torch.full_like(change[:, :3], torch.nan)), 1)
        total, normed = cpu_ops.add_norm(x, spoiled, weight, 1e-6, 5)
        assert normed.shape == (TOKENS, 21)
        return total, normed[:, :16]

    def plain(x: torch.Tensor, change: torch.Tensor) -> Any:
        return torch_ops.add_norm(x, change, weight, 1e-6)

    given = leaf(TOKENS, 16), leaf(TOKENS, 16)
    agree(roomy, plain, *given)
    agree(lambda *g: roomy(*g)[1], lambda *g: plain(*g)[1], *given)
    agree(
        lambda x: cpu_ops.norm(torch.cat((x, torch.full_like(x, torch.nan)), 1), weight, 1e-6, 2)[
            :, :16
        ],
        lambda x: torch_ops.norm(x, weight, 1e-6),
        given[0],
    )


def test_rope_and_swiglu_agree() -> None:
    angles = torch.rand(TOKENS, 4, dtype=torch.float64) * 100
    cos, sin = (torch.cat((part, part), 1) for part in (angles.cos(), angles.sin()))

    def rotated(qkv: torch.Tensor) -> Any:
        return cpu_ops.apply_rope(qkv, *cpu_ops.prepare_rope(cos, sin, 4), 4, 2)

    agree(rotated, lambda qkv: torch_ops.apply_rope(qkv, cos, sin, 4, 2), leaf(TOKENS, 8 * 8))
    agree(cpu_ops.swiglu, torch_ops.swiglu, leaf(TOKENS, 24))


@pytest.mark.parametrize("where", [None, [3, 8, 9, 20, 34], [12], list(range(TOKENS))])
def test_all_segments_at_once_agree_with_one_after_another(where: list[int] | None) -> None:
    asked = None if where is None else torch.tensor(where)
    given = leaf(TOKENS, 4, 8), leaf(TOKENS, 2, 8), leaf(TOKENS, 2, 8)

    def at_once(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        assert attention_cpu.suits(q, (12, 12, 12), asked)
        return attention_cpu.packed_attention(q, k, v, LENGTHS, 0.5, asked)

    def in_turn(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        parts = zip(*(part.split(LENGTHS) for part in (q, k, v)), strict=True)
        out = torch.cat([attention.one_segment(*each, 0.5) for each in parts if len(each[0])])
        return out if asked is None else out[asked]

    agree(at_once, in_turn, *given)


def test_what_is_long_uneven_or_repeated_is_done_one_after_another() -> None:
    q = torch.zeros(40, 4, 8)
    assert attention_cpu.suits(q, (20, 20), None)
    assert not attention_cpu.suits(q, (40,), None)
    assert not attention_cpu.suits(q, (37, 1, 1, 1), None)
    assert not attention_cpu.suits(q.bfloat16(), (20, 20), None)
    assert not attention_cpu.suits(q, (20, 20), torch.tensor([3, 0, 0]))
    assert not attention_cpu.suits(torch.zeros(8, 28, 2), (4000, 4000), None)
