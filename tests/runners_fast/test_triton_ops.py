"""The kernels against the plain functions that they replace, values and gradients."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from runners.fast import attention, backends, decoder, likelihood, ops, torch_ops
from runners.fast.attention import Scores
from runners.fast.cuda_graphs import GraphedCall
from runners.fast.likelihood import Answered
from runners.fast.packing import Picks, pack, round_shapes
from runners.fast.torch_ops import HeadNorms
from runners.ml import fingerprint
from tests.runners_fast.conftest import FUSED
from tests.runners_fast.test_backends import plain_gradients

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
DEVICE = "cuda"


def leaf(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, device=DEVICE, dtype=torch.bfloat16)


def agree(found: Callable[..., Any], truth: Callable[..., Any], *given: Any) -> None:
    """Compare outputs and gradients of a bfloat16 function with those of a float32 one."""
    results = []
    for function, dtype in ((found, torch.bfloat16), (truth, torch.float32)):
        inputs = [
            g.to(dtype).detach().requires_grad_() if isinstance(g, torch.Tensor) else g
            for g in given
        ]
        out = function(*inputs)
        out = out if isinstance(out, tuple) else (out,)
        torch.manual_seed(5)
        sum((o.float() * torch.randn(o.shape, device=DEVICE)).sum() for o in out).backward()
        grads = [i.grad for i in inputs if isinstance(i, torch.Tensor) and i.grad is not None]
        results.append([*out, *grads])
    assert len(results[0]) == len(results[1]) > 1
    for a, b in zip(*results, strict=True):
        assert float((a.float() - b).norm() / b.norm()) < 1e-2


def fixed(function: Callable[..., Any], *last: Any) -> Callable[..., Any]:
    """Hold the arguments that get no gradient."""

    def call(*first: torch.Tensor) -> Any:
        cast = [a.to(first[0].dtype) if isinstance(a, torch.Tensor) else a for a in last]
        return function(*first, *cast)

    return call


@pytest.fixture(scope="module")
def kernels() -> ops.Ops:
    made = ops.for_device("cuda")
    assert made is not ops.PLAIN
    return made


def test_add_norm_agrees_also_when_only_the_norm_is_used(kernels: ops.Ops) -> None:
    weight = leaf(3584)
    x, change = leaf(37, 3584), leaf(37, 3584)
    rest = (weight, 1e-6)
    agree(fixed(kernels.add_norm, *rest), fixed(torch_ops.add_norm, *rest), x, change)
    only = [fixed(lambda *a, f=f: f(*a)[1], *rest) for f in (kernels.add_norm, torch_ops.add_norm)]
    agree(*only, x, change)
    strided = [
        fixed(lambda x, c, w, e, f=f: f(x, c[:, :3584], w, e), *rest)
        for f in (kernels.add_norm, torch_ops.add_norm)
    ]
    agree(*strided, x, leaf(37, 3616))


def test_pad_columns_are_neither_read_nor_counted(kernels: ops.Ops) -> None:
    """In ``update`` and after the norm, where the values are not numbers."""
    rest = (leaf(3584), 1e-6)

    def roomy(x: torch.Tensor, c: torch.Tensor, w: torch.Tensor, eps: float) -> Any:
        spoiled = torch.cat((c, torch.full_like(c[:, :32], torch.nan)), 1)
        total, normed = kernels.add_norm(x, spoiled, w, eps, 96)
        assert normed.shape == (37, 3680)
        return total, normed[:, :3584]

    agree(fixed(roomy, *rest), fixed(torch_ops.add_norm, *rest), leaf(37, 3584), leaf(37, 3584))


def test_a_norm_alone_agrees_also_over_part_of_a_row(kernels: ops.Ops) -> None:
    """As OLMo 2 has it: over what a half adds, beside pad columns, and over queries beside keys."""
    rest = (leaf(3584), 1e-5)
    parts = [
        fixed(lambda x, w, e, f=f: f(x[:, 8:3592], w, e), *rest)
        for f in (kernels.norm, torch_ops.norm)
    ]
    agree(*parts, leaf(37, 3616))

    def padded(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        spoiled = torch.cat((x, torch.full_like(x[:, :32], torch.nan)), 1)
        return kernels.norm(spoiled, weight, eps, 96)[:, :3584]

    agree(fixed(padded, *rest), fixed(torch_ops.norm, *rest), leaf(37, 3584))


def test_swiglu_agrees(kernels: ops.Ops) -> None:
    agree(kernels.swiglu, torch_ops.swiglu, leaf(19, 2 * 18944))


def test_rope_agrees(kernels: ops.Ops) -> None:
    angles = torch.rand(23, 64, device=DEVICE) * 100
    turns = [torch.cat((part, part), -1).bfloat16() for part in (angles.cos(), angles.sin())]
    rest = (*turns, 28, 4)
    agree(fixed(kernels.apply_rope, *rest), fixed(torch_ops.apply_rope, *rest), leaf(23, 36 * 128))
    exact = [part.float() for part in turns]
    precise = fixed(lambda x: kernels.apply_rope(x, *exact, 28, 4))
    agree(precise, fixed(torch_ops.apply_rope, *rest), leaf(23, 36 * 128))
    norms = HeadNorms(leaf(128), leaf(128), 1e-6)
    wide = HeadNorms(norms.q.float(), norms.k.float(), 1e-6)
    agree(
        fixed(kernels.apply_rope, *rest, norms),
        fixed(torch_ops.apply_rope, *rest, wide),
        leaf(23, 36 * 128),
    )


@pytest.mark.parametrize("normed", [False, True])
def test_rope_writes_out_the_tokens_that_rows_share(
    kernels: ops.Ops, alike: Any, normed: bool
) -> None:
    """And adds up what each of their copies passes back."""
    batch = round_shapes(pack(alike, 8, shares=True)).to(torch.device(DEVICE))
    assert batch.sharing is not None
    computed, written = len(batch.ids), len(batch.positions)
    angles = torch.rand(written, 64, device=DEVICE) * 100
    angles[batch.sharing.again] = angles[batch.sharing.first][: batch.sharing.shared]
    turns = [torch.cat((part, part), -1).bfloat16() for part in (angles.cos(), angles.sin())]
    norms = HeadNorms(leaf(128), leaf(128), 1e-6) if normed else None
    wide = norms and HeadNorms(norms.q.float(), norms.k.float(), 1e-6)

    def turned(function: Callable[..., Any], norms: HeadNorms | None) -> Callable[..., Any]:
        def call(qkv: torch.Tensor) -> Any:
            cos, sin = (part.to(qkv.dtype) for part in turns)
            found = function(qkv, cos, sin, 28, 4, norms, batch.sharing)
            real = sum(batch.lengths[:-1])
            return tuple(part[:real] for part in found)

        return call

    agree(
        turned(kernels.apply_rope, norms),
        turned(torch_ops.apply_rope, wide),
        leaf(computed, 36 * 128),
    )


@pytest.mark.parametrize("vocabulary", [97, 1536, 152064])
def test_a_summed_loss_and_its_gradient_agree(kernels: ops.Ops, vocabulary: int) -> None:
    targets = torch.randint(vocabulary, (37,), device=DEVICE)
    targets[5:9] = -100
    given = leaf(37, vocabulary) * 3
    agree(
        lambda logits: kernels.summed_loss(logits, targets),
        lambda logits: torch_ops.summed_loss(logits, targets),
        given,
    )
    broken = given.clone()
    broken[3, 7] = torch.nan
    assert kernels.summed_loss(broken, targets).isnan()


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(("heads", "kv_heads", "width"), [(28, 4, 128), (4, 4, 32), (6, 3, 64)])
def test_attention_keeps_segments_apart_and_knows_grouped_heads(
    ours: bool, heads: int, kv_heads: int, width: int
) -> None:
    lengths = (5, 140, 64, 1, 0, 600)
    cu_seqlens = torch.tensor([0, *lengths], device=DEVICE).cumsum(0).int()
    attend = attention.gpu_attention(width, torch.bfloat16) if ours else attention.flash
    assert (attend is attention.flash) != ours, "our kernels do not work on this machine"
    agree(
        lambda q, k, v: attend(q, k, v, cu_seqlens, 1024, 0.05),
        lambda *qkv: attention.packed_attention(*qkv, cu_seqlens, lengths, 600, None, Scores(0.05)),
        *(leaf(810, count, width) for count in (heads, kv_heads, kv_heads)),
    )


@pytest.mark.parametrize("ours", [True, False])
def test_attention_writes_the_picked_results_alone(ours: bool) -> None:
    lengths = (5, 140, 64, 1, 0, 600)
    cu_seqlens = torch.tensor([0, *lengths], device=DEVICE).cumsum(0).int()
    attend = attention.gpu_attention(128, torch.bfloat16) if ours else attention.flash
    rows = torch.randperm(810, device=DEVICE)[:700]
    scores = Scores(0.05)
    agree(
        lambda q, k, v: attend(q, k, v, cu_seqlens, 1024, 0.05, picks=Picks.of(rows, 810)),
        lambda *qkv: attention.packed_attention(*qkv, cu_seqlens, lengths, 600, None, scores)[rows],
        *(leaf(810, count, 128) for count in (28, 4, 4)),
    )


@pytest.mark.parametrize("window", [2, 50, 599])
def test_attention_sees_no_further_than_its_window(window: int) -> None:
    lengths = (5, 140, 64, 0, 600)
    cu_seqlens = torch.tensor([0, *lengths], device=DEVICE).cumsum(0).int()
    scores = Scores(0.05, window)
    agree(
        lambda *qkv: attention.packed_attention(*qkv, cu_seqlens, lengths, 1024, None, scores),
        lambda *qkv: attention.packed_attention(*qkv, cu_seqlens, lengths, 600, None, scores),
        *(leaf(809, count, 128) for count in (28, 4, 4)),
    )


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("family", FUSED)
def test_the_same_batch_gives_the_same_bits(
    family: str, shares: bool, make_adapted: Callable[..., Any], rows: Any, alike: Any
) -> None:
    rows = alike if shares else rows
    if family == "mistral":
        pytest.skip("PyTorch's own attention, which windows take, does not repeat its last bits")
    peft = make_adapted(torch.bfloat16, family=family).to(DEVICE)
    found = []
    for _ in range(2):
        with backends.fused(peft) as backend:
            backend.summed_loss(backend.pack(rows)).backward()
            found.append([p.grad.clone() for p in trained(peft)])
        peft.zero_grad(set_to_none=True)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert any(gradient.any() for gradient in found[0])


@pytest.mark.parametrize("window", [None, 1, 100, 300])
@pytest.mark.parametrize(("heads", "kv_heads", "width"), [(28, 4, 128), (4, 4, 32), (32, 1, 64)])
def test_attention_over_a_cache_reads_as_far_as_it_is_filled_and_adds_the_new_token(
    window: int | None, heads: int, kv_heads: int, width: int
) -> None:
    used = torch.tensor([1, 17, 200, 256, 130, 2], device=DEVICE, dtype=torch.int32)
    given = [leaf(6, count, width) for count in (heads, kv_heads, kv_heads)]
    given += [leaf(6, 256, kv_heads, width) for _ in range(2)]
    precise = [one.float() for one in given]
    found = attention.cached_attention(*given, used, Scores(0.05, window))
    truth = attention.cached_attention(*precise, used, Scores(0.05, window))
    assert float((found.float() - truth).norm() / truth.norm()) < 1e-2
    assert all(torch.equal(a.float(), b) for a, b in zip(given[3:], precise[3:], strict=True))


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_tokens_are_drawn_as_often_as_the_softmax_says(
    kernels: ops.Ops, temperature: float
) -> None:
    logits = torch.randn(1, 5003, device=DEVICE, dtype=torch.bfloat16) * 3
    torch.manual_seed(3)
    drawn = torch.cat([kernels.draw(logits.expand(50_000, -1), temperature) for _ in range(8)])
    found = torch.bincount(drawn, minlength=5003) / len(drawn)
    expected = (logits[0].float() / temperature).softmax(-1)
    often = expected > 1e-3
    deviation = (found - expected) / (expected * (1 - expected) / len(drawn)).sqrt()
    assert float(deviation[often].abs().max()) < 5
    assert float((deviation[often] ** 2).mean()) < 1.6
    assert float((found - expected)[~often].sum().abs()) < 5e-3
    torch.manual_seed(3)
    again = kernels.draw(logits.expand(50_000, -1), temperature)
    assert torch.equal(again, drawn[:50_000])
    assert len(again.unique()) > 10


def test_a_row_without_a_number_gives_no_token(kernels: ops.Ops) -> None:
    logits = torch.full((2, 300), torch.nan, device=DEVICE)
    logits[1, 7] = 1.0
    assert kernels.draw(logits, 1.0).tolist() == [300, 7]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64, torch.uint8])
@pytest.mark.parametrize("count", [1, 4096, 17_000_001])
def test_a_fingerprint_is_that_of_the_cpu(count: int, dtype: torch.dtype) -> None:
    raw = torch.randint(-(2**31), 2**31 - 1, (count,)).to(dtype)
    named = {"a": raw, "b": raw[: count // 2 + 1].clone()}
    on_gpu = {name: tensor.to(DEVICE) for name, tensor in named.items()}
    assert fingerprint.of_tensors(on_gpu.items()) == fingerprint.of_tensors(named.items())


def test_all_adapters_are_copied_by_one_kernel(kernels: ops.Ops) -> None:
    sources = [torch.randn(shape, device=DEVICE) for shape in ((32, 3584), (18944, 32), (7, 5))]
    wide = torch.zeros(19200, 3700, device=DEVICE, dtype=torch.bfloat16)
    targets = [wide[:32, :3584], wide[100:19044, 3600:3632], wide[60:67, 3690:3695]]
    kernels.copy_adapters(list(zip(sources, targets, (11.3137, 1.0, 2.0), strict=True)))()
    for source, target, scale in zip(sources, targets, (11.3137, 1.0, 2.0), strict=True):
        assert torch.equal(target, (source * scale).bfloat16())
        target.zero_()
    assert not wide.any()


@pytest.mark.parametrize("shares", [False, True])
def test_graphs_add_the_gradients_that_single_kernels_add(
    shares: bool, make_adapted: Callable[..., Any], rows: Any, alike: Any
) -> None:
    rows = alike if shares else rows
    peft = make_adapted(torch.bfloat16).to(DEVICE)
    other = [*rows[2:], *rows[:2]]
    found = []
    for graphs in (False, True):
        with backends.fused(peft, graphs=graphs) as backend:
            losses = []
            for part in (rows, rows, rows, other, rows):
                summed = backend.summed_loss(round_shapes(backend.pack(part)))
                (summed / 3).backward()
                losses.append(summed.detach())
            found.append((torch.stack(losses), [p.grad.clone() for p in trained(peft)]))
            peft.zero_grad(set_to_none=True)
            if graphs:
                assert any(backend._graphs._pairs.values())
    assert torch.allclose(found[0][0], found[1][0], rtol=1e-3)
    for a, b in zip(found[0][1], found[1][1], strict=True):
        assert float((a - b).norm() / b.norm()) < 1e-3


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("family", FUSED)
def test_on_a_gpu_each_family_is_as_near_to_float32_as_peft_is(
    family: str, shares: bool, make_adapted: Callable[..., Any], rows: Any, alike: Any
) -> None:
    rows = alike if shares else rows
    exact = make_adapted(family=family)
    exact.load_state_dict(make_adapted(torch.bfloat16, family=family).state_dict())
    _, truth = plain_gradients(exact, rows)
    peft = make_adapted(torch.bfloat16, family=family)
    _, by_peft = plain_gradients(peft, rows, precise=False)
    peft = peft.to(DEVICE)
    with backends.fused(peft) as backend:
        backend.summed_loss(backend.pack(rows)).backward()
        found = [p.grad.cpu() for p in trained(peft)]
    whole = torch.cat([g.flatten() for g in truth])
    distance = [
        float((torch.cat([g.flatten() for g in each]) - whole).norm() / whole.norm())
        for each in (by_peft, found)
    ]
    assert distance[1] < 1.25 * distance[0]


@pytest.mark.parametrize("family", ["qwen3", "granite", "olmo2"])
def test_answers_are_scored_on_a_gpu_as_in_float32(
    family: str, make_tiny: Callable[..., Any], rows: Any
) -> None:
    model = make_tiny(torch.bfloat16, family=family)
    answers = [Answered(row.ids, 3) for row in rows]
    with decoder.fused(copy.deepcopy(model).float()) as exact:
        truth = torch.tensor(likelihood.log_likelihoods(exact, answers))
    with decoder.fused(model.to(DEVICE)) as fused:
        found = torch.tensor(likelihood.log_likelihoods(fused, answers))
    assert float((found - truth).norm() / truth.norm()) < 2e-2


def trained(peft: Any) -> list[Any]:
    return [p for p in peft.parameters() if p.requires_grad]


def test_a_captured_call_replays_and_can_be_reset() -> None:
    memory = torch.zeros(3, device=DEVICE)
    step = GraphedCall(torch.device(DEVICE))
    for expected in (1.0, 2.0, 3.0, 4.0):
        assert step(lambda: memory.add_(1.0) * 2).tolist() == [2 * expected] * 3
    for _ in range(3):
        step.reset()
        memory = torch.zeros(5, device=DEVICE)
        for expected in (1.0, 2.0, 3.0):
            assert step(lambda m=memory: m.add_(1.0) * 2).tolist() == [2 * expected] * 5


def test_what_cannot_be_captured_runs_and_random_numbers_survive_the_attempt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    step = GraphedCall(torch.device(DEVICE))
    memory = torch.ones(3, device=DEVICE)

    def waits() -> torch.Tensor:
        return memory * memory.sum().item()

    stream = torch.cuda.current_stream()
    torch.manual_seed(3)
    expected = torch.rand(2, device=DEVICE)
    torch.manual_seed(3)
    for _ in range(4):
        assert step(waits).tolist() == [3.0] * 3
    assert torch.equal(torch.rand(2, device=DEVICE), expected)
    assert torch.cuda.current_stream() == stream
    assert "CUDA graphs do not work here" in caplog.text


def test_trying_the_kernels_draws_no_random_number() -> None:
    """Else the first answers of each worker would be others than those of its later jobs."""
    torch.manual_seed(0)
    before = torch.cuda.get_rng_state()
    attention._kernels.cache_clear()
    ops.for_device.cache_clear()
    attention.gpu_attention(128, torch.bfloat16)
    ops.for_device("cuda")
    assert torch.equal(before, torch.cuda.get_rng_state())
