"""The fast backends against PEFT and transformers as they are."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional

from runners.fast import backends, decoder, generation, llama_shape
from runners.fast.generation import GenerateOptions
from runners.fast.packing import pack, round_shapes
from runners.fast.sampling import TokenSampler
from tests.runners_fast.conftest import FUSED, OTHERS
from tuilab.grid import rates


def plain_gradients(peft: Any, rows: list[Any], precise: bool = True) -> tuple[float, list[Any]]:
    """Loss and gradients of PEFT, row by row, with the head over all positions."""
    total = 0.0
    for row in rows:
        ids = torch.tensor([row.ids])
        labels = torch.tensor(
            [i if m else -100 for i, m in zip(row.ids, row.loss_mask, strict=True)]
        )
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not precise):
            logits = peft(input_ids=ids, use_cache=False).logits[0].float()
        loss = functional.cross_entropy(logits[:-1], labels[1:], reduction="sum")
        loss.backward()
        total += float(loss.detach())
    return total, taken(peft)


def taken(peft: Any) -> list[Any]:
    found = [p.grad.clone() for p in peft.parameters() if p.requires_grad]
    peft.zero_grad()
    return found


def far(found: list[Any], expected: list[Any]) -> float:
    """Largest relative distance of a gradient."""
    return max(float((a - b).norm() / b.norm()) for a, b in zip(found, expected, strict=True))


def gradients_of(backend: Any, peft: Any, rows: list[Any]) -> tuple[float, list[Any]]:
    loss = backend.summed_loss(backend.pack(rows))
    loss.backward()
    return float(loss.detach()), taken(peft)


BOTH = [(kind, family) for kind in (backends.fused, backends.lean) for family in FUSED]


@pytest.mark.parametrize(
    ("kind", "family"), [*BOTH, *((backends.lean, family) for family in OTHERS)]
)
def test_loss_and_gradients_are_those_of_peft(
    kind: Any, family: str, make_adapted: Any, rows: Any
) -> None:
    peft = make_adapted(family=family)
    loss, gradients = plain_gradients(peft, rows)
    with kind(peft) as backend:
        found_loss, found = gradients_of(backend, peft, rows)
    assert found_loss == pytest.approx(loss, rel=1e-6)
    assert far(found, gradients) < 1e-5


@pytest.mark.parametrize("family", FUSED)
def test_in_float64_the_fused_backend_is_exact_to_its_last_digits(
    family: str, make_adapted: Any, rows: Any
) -> None:
    peft = make_adapted(family=family).double()
    loss, gradients = plain_gradients(peft, rows)
    with backends.fused(peft) as backend:
        found_loss, found = gradients_of(backend, peft, rows)
    assert found_loss == pytest.approx(loss, rel=1e-6)
    assert far(found, gradients) < 2e-6  # norms round to float32 in transformers' layers


def test_leaving_out_the_float32_copy_changes_no_bit_under_autocast(
    make_adapted: Any, rows: Any
) -> None:
    from peft.helpers import disable_input_dtype_casting

    peft = make_adapted(torch.bfloat16)
    loss, gradients = plain_gradients(peft, rows, precise=False)
    with disable_input_dtype_casting(peft):
        found_loss, found = plain_gradients(peft, rows, precise=False)
    assert found_loss == loss
    assert all(torch.equal(a, b) for a, b in zip(found, gradients, strict=True))
    assert all(gradient.dtype == torch.float32 for gradient in found)


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        pytest.param(kind, family, marks=[] if family in ("qwen2", "qwen3") else pytest.mark.trial)
        for kind, family in BOTH
    ],
)
def test_in_bfloat16_both_backends_are_as_near_to_float32_as_peft_is(
    kind: Any, family: str, make_adapted: Any, rows: Any
) -> None:
    exact = make_adapted(family=family)
    exact.load_state_dict(make_adapted(torch.bfloat16, family=family).state_dict())
    _, truth = plain_gradients(exact, rows)
    peft = make_adapted(torch.bfloat16, family=family)
    _, by_peft = plain_gradients(peft, rows, precise=False)
    with kind(peft) as backend:
        _, found = gradients_of(backend, peft, rows)
    whole = torch.cat([g.flatten() for g in truth])
    distance = [
        float((torch.cat([g.flatten() for g in each]) - whole).norm() / whole.norm())
        for each in (by_peft, found)
    ]
    assert distance[1] < 1.25 * distance[0]


@pytest.mark.parametrize("kind", [backends.fused, backends.lean])
def test_a_packed_row_never_sees_its_neighbours(kind: Any, make_adapted: Any, rows: Any) -> None:
    peft = make_adapted()
    with kind(peft) as backend, torch.no_grad():
        alone = float(backend.summed_loss(backend.pack(rows[1:2])))
        others = [backend.summed_loss(backend.pack([rows[1]])) for _ in range(1)]
        beside = backend.summed_loss(backend.pack([rows[0], rows[1], rows[3]]))
        without = backend.summed_loss(backend.pack([rows[0], rows[3]]))
    assert float(beside - without) == pytest.approx(alone, rel=1e-5)
    assert float(others[0]) == alone


def test_filling_up_to_a_tile_changes_nothing(make_adapted: Any, rows: Any) -> None:
    peft = make_adapted()
    with backends.fused(peft) as backend:
        loss, gradients = gradients_of(backend, peft, rows)
        filled = backend.summed_loss(pack(rows, 128))
        filled.backward()
    assert pack(rows, 128).ids.shape == (128,) and pack(rows, 128).tokens == 58
    assert [len(pack(rows, 32, rest).ids) for rest in (16, 22, 23)] == [80, 54, 55]
    assert float(filled.detach()) == pytest.approx(loss, rel=1e-6)
    assert far(taken(peft), gradients) < 1e-5


@pytest.mark.parametrize("kind", [backends.fused, backends.lean])
def test_what_follows_the_last_target_is_not_computed(
    kind: Any, make_adapted: Any, rows: Any
) -> None:
    """As the newline behind an end of turn; and a row may have no target at all."""
    longer = [
        replace(row, ids=(*row.ids, 3, 5), loss_mask=(*row.loss_mask, False, False)) for row in rows
    ]
    longer.append(replace(rows[1], loss_mask=(False,) * len(rows[1].ids)))
    peft = make_adapted()
    loss, gradients = plain_gradients(peft, longer)
    with kind(peft) as backend:
        found_loss, found = gradients_of(backend, peft, longer)
    batch = pack(longer)
    assert batch.lengths == (*(len(row.ids) - 1 for row in rows), 1)
    assert batch.tokens == sum(len(row.ids) for row in longer)
    assert found_loss == pytest.approx(loss, rel=1e-6)
    assert far(found, gradients) < 1e-5


def test_rounding_the_shapes_of_a_batch_changes_neither_loss_nor_gradients(
    make_adapted: Any, rows: Any
) -> None:
    peft = make_adapted()
    with backends.fused(peft) as backend:
        loss, gradients = gradients_of(backend, peft, rows)
        even = round_shapes(pack(rows))
        found = backend.summed_loss(even)
        found.backward()
    assert (len(even.where), len(even.lengths), even.max_seqlen) == (32, 5, 512)
    assert even.flat().equal(even.viewing(even.flat()).flat())
    assert float(found.detach()) == pytest.approx(loss, rel=1e-6)
    assert far(taken(peft), gradients) < 1e-5


@pytest.mark.parametrize("family", FUSED)
def test_tokens_that_rows_share_are_computed_once_and_change_nothing(
    family: str, make_adapted: Any, alike: Any
) -> None:
    peft = make_adapted(family=family)
    loss, gradients = plain_gradients(peft, alike)
    shared = pack(alike, 8, shares=True)
    larger = round_shapes(pack(alike, 64, shares=True))
    assert shared.sharing and len(shared.ids) % 8 == 0
    assert shared.sharing.again.shape == (4, 13 + 5)
    with backends.fused(peft) as backend:
        for batch in (shared, round_shapes(shared, larger)):
            found = backend.summed_loss(batch)
            found.backward()
            assert batch.flat().equal(batch.viewing(batch.flat()).flat())
            assert float(found.detach()) == pytest.approx(loss, rel=1e-6)
            assert far(taken(peft), gradients) < 1e-5


def test_what_is_computed_stands_where_the_rows_have_it(alike: Any) -> None:
    batch = round_shapes(pack(alike, 8, shares=True))
    sharing = batch.sharing
    assert sharing is not None
    written = batch.ids[sharing.source].tolist()
    assert written[: sum(batch.lengths[:-1])] == [i for row in alike for i in row.ids[:-1]]
    assert sharing.source[sharing.first].tolist() == list(range(len(batch.ids)))
    real = sum(batch.lengths[:-1])
    for computed, places in enumerate(sharing.again.T.tolist()):
        assert all(int(sharing.source[at]) == computed for at in places if at < real)
    once = [at for at in [*sharing.first.tolist(), *sharing.again.flatten().tolist()] if at < real]
    assert sorted(once) == list(range(real))


def test_rows_that_have_little_in_common_share_nothing(rows: Any) -> None:
    assert pack(rows, 8, shares=True).sharing is None
    assert pack(rows, 8, shares=True).flat().equal(pack(rows, 8).flat())


def test_gradients_add_up_over_batches_and_none_counts_as_zero(
    make_adapted: Any, rows: Any
) -> None:
    peft = make_adapted()
    _, whole = plain_gradients(peft, rows)
    with backends.fused(peft) as backend:
        for part in (rows[:1], rows[1:]):
            backend.summed_loss(backend.pack(part)).backward()
        assert far(taken(peft), whole) < 1e-5
        assert all(p.grad is None for p in peft.parameters())
        _, again = gradients_of(backend, peft, rows)
    assert far(again, whole) < 1e-5


def test_changed_adapters_are_used_and_weights_come_back_as_they_were(
    make_adapted: Any, rows: Any
) -> None:
    peft = make_adapted()
    before = {name: p.clone() for name, p in peft.named_parameters()}
    with backends.fused(peft) as backend:
        first = float(backend.summed_loss(backend.pack(rows)).detach())
        for name, parameter in peft.named_parameters():
            if "lora_B" in name:
                parameter.data.mul_(0.5)
        second = float(backend.summed_loss(backend.pack(rows)).detach())
    assert second != pytest.approx(first, rel=1e-3)
    assert plain_gradients(peft, rows)[0] == pytest.approx(second, rel=1e-6)
    for name, parameter in peft.named_parameters():
        assert parameter.is_contiguous()
        assert parameter.untyped_storage().nbytes() == parameter.nbytes
        if "lora_" not in name:
            assert torch.equal(parameter, before[name])


def test_nothing_is_held_after_the_end(make_adapted: Any, make_tiny: Any, rows: Any) -> None:
    """A cycle of references would keep a second copy of the weights until the next collection."""
    peft = make_adapted()
    gc.collect()
    gc.disable()
    try:
        with backends.fused(peft) as backend:
            gradients_of(backend, peft, rows)
            held = [
                weakref.ref(backend._decoder),
                weakref.ref(backend._decoder.layers[0].qkv.weight),
            ]
            held += [weakref.ref(backend)]
        del backend
        with decoder.fused(make_tiny()) as fused:
            generation.generate(fused, [(1, 2, 3)], GenerateOptions(frozenset(), 4), TokenSampler())
            held += [weakref.ref(fused)]
        del fused
        assert [ref() for ref in held] == [None] * 4
    finally:
        gc.enable()


def test_a_second_frozen_adapter_counts_without_a_gradient(make_adapted: Any, rows: Any) -> None:
    from peft import LoraConfig

    peft = make_adapted()
    peft.add_adapter("below", LoraConfig(r=2, lora_alpha=2, target_modules=["q_proj", "down_proj"]))
    peft.base_model.set_adapter(["default", "below"])
    for name, parameter in peft.named_parameters():
        if ".below." in name:
            torch.nn.init.normal_(parameter, std=0.1)
        parameter.requires_grad_(".default." in name)
    loss, gradients = plain_gradients(peft, rows)
    with backends.fused(peft) as backend:
        found_loss, found = gradients_of(backend, peft, rows)
    assert found_loss == pytest.approx(loss, rel=1e-6)
    assert far(found, gradients) < 1e-5


def test_what_the_decoder_cannot_compute_exactly_it_refuses_with_a_reason(
    make_adapted: Any, make_tiny: Any
) -> None:
    assert llama_shape.why_not(make_adapted()) is None
    assert llama_shape.why_not(make_tiny()) is None
    assert "dropout" in str(llama_shape.why_not(make_adapted(dropout=0.05)))
    other = torch.nn.Linear(2, 2)
    assert "Linear" in str(llama_shape.why_not(other))


@pytest.mark.parametrize("family", [*FUSED, *OTHERS])
def test_only_a_family_that_is_exactly_understood_goes_through_the_decoder(
    family: str, make_tiny: Any
) -> None:
    reason = llama_shape.why_not(make_tiny(family=family))
    assert (reason is None) == (family in FUSED)
    assert reason is None or "is none of" in reason


def test_plan_counts_with_the_fast_path_for_the_same_kinds_of_base() -> None:
    kinds = {base.config_class.model_type for base in llama_shape.BASES}
    assert kinds == set(rates.FUSED) == set(FUSED)
    for name in ("allenai/OLMo-2-1124-7B-Instruct", "ibm-granite/granite-3.3-8b-instruct"):
        assert rates.shape_named(name).is_fused
    assert not rates.shape_named("allenai/OLMoE-1B-7B").is_fused


def test_a_known_family_with_another_part_multiplier_norm_or_rope_is_refused(
    make_tiny: Any,
) -> None:
    odd = make_tiny()
    odd.model.layers[1].self_attn.gate = torch.nn.Identity()
    assert "other parts" in str(llama_shape.why_not(odd))
    granite = make_tiny(family="granite")
    for value, said in ((0.7, "differ in their norms or multipliers"), (0.0, "zero or less")):
        granite.model.layers[1].residual_multiplier = value
        assert said in str(llama_shape.why_not(granite))
    granite = make_tiny(family="granite")
    granite.model.layers[2].input_layernorm.variance_epsilon = 1e-9
    assert "another epsilon" in str(llama_shape.why_not(granite))
    scaled = make_tiny(family="llama")
    scaled.config.rope_parameters["rope_type"] = "dynamic"
    assert "RoPE (dynamic)" in str(llama_shape.why_not(scaled))


def test_the_lean_backend_leaves_the_model_as_it_found_it(make_adapted: Any, rows: Any) -> None:
    peft = make_adapted()
    with backends.lean(peft):
        pass
    assert peft.config._attn_implementation == "sdpa"
    assert all(
        module.cast_input_dtype_enabled
        for module in peft.modules()
        if hasattr(module, "cast_input_dtype_enabled")
    )


def test_checkpointing_recomputes_the_same_in_the_lean_backend(
    make_adapted: Any, rows: Any
) -> None:
    peft = make_adapted()
    with backends.lean(peft) as backend:
        loss, gradients = gradients_of(backend, peft, rows)
        peft.train()
        peft.get_base_model().gradient_checkpointing_enable({"use_reentrant": False})
        found_loss, found = gradients_of(backend, peft, rows)
    assert found_loss == loss
    assert all(torch.equal(a, b) for a, b in zip(found, gradients, strict=True))


def test_autocast_on_a_cpu_gives_nearly_the_gradients_of_float32(
    make_adapted: Any, rows: Any
) -> None:
    peft, alike = make_adapted(), [rows[1], rows[3]]  # lengths for which rows are padded
    with backends.lean(peft) as backend:
        _, exact = gradients_of(backend, peft, alike)
    with backends.lean(peft, "bfloat16") as backend:
        _, found = gradients_of(backend, peft, alike)
    apart = torch.cat([(a - b).flatten() for a, b in zip(found, exact, strict=True)]).norm()
    assert 0 < apart < 0.1 * torch.cat([one.flatten() for one in exact]).norm()
