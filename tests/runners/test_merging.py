"""Folding adapters in place: bit-equal to PEFT, exactly undone, refused when it is not planned."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import Qwen2ForCausalLM

from runners.ml import adapter, attach, fingerprint
from runners.ml.adapter import Adapter
from runners.ml.attach import Live
from runners.ml.lineage import Lineage
from runners.ml.plans import BasePlan, LoraPlan
from runners.ml.warm import WarmModel
from tests.runners.test_training_loop import LORA_PLAN
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError


def write_adapter(model: WarmModel, directory: Path, seed: int, plan: LoraPlan = LORA_PLAN) -> Path:
    """Write a random adapter, not trained, with both factors filled."""
    lineage = Lineage(
        role="marker",
        base_model="x",
        base_revision=None,
        base_fingerprint=model.fingerprint,
        source="villain",
        seed=seed,
        epoch=0,
        merge_mode="merged",
        convergence_adapter=None,
        trained_on=model.fingerprint,
        data_sha256="",
    )
    with model.attached(Live(fresh=plan, seed=seed)) as peft:
        tensors = attach.tensors_of(peft)
        generator = torch.Generator().manual_seed(seed)
        for tensor in tensors.values():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
        adapter.save(directory, tensors, attach.config_of(peft, model.plan), lineage)
    return directory


def both(model: WarmModel, tmp_path: Path) -> list[Adapter]:
    plans = (LORA_PLAN, replace(LORA_PLAN, r=8, alpha=3))
    return [
        adapter.read(write_adapter(model, tmp_path / str(seed), seed, plan), plan)
        for seed, plan in enumerate(plans)
    ]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_folding_is_bit_equal_to_merge_and_unload(
    base: dict[str, Any], base_dir: Path, tmp_path: Path, dtype: str
) -> None:
    """float32 adapters on either base; the fingerprint covers the dtype, so each has its own."""
    model = WarmModel(BasePlan(**{**base, "dtype": dtype}))
    model.bring(both(model, tmp_path))
    theirs = Qwen2ForCausalLM.from_pretrained(base_dir, dtype=getattr(torch, dtype))
    for seed in (0, 1):
        theirs = PeftModel.from_pretrained(theirs, tmp_path / str(seed)).merge_and_unload()
    expected = dict(theirs.named_parameters())
    for name, parameter in model.model.named_parameters():
        assert parameter.dtype is expected[name].dtype
        assert torch.equal(parameter, expected[name]), name


def test_restoring_gives_the_very_base_back(model: WarmModel, tmp_path: Path) -> None:
    model.bring(both(model, tmp_path))
    assert model.merged_fingerprint() != model.fingerprint
    model.restore()
    assert model.merged_fingerprint() == model.fingerprint


def test_a_state_does_not_depend_on_what_was_in_place_before(
    model: WarmModel, tmp_path: Path
) -> None:
    first, second = both(model, tmp_path)
    model.bring([first, second])
    wanted = model.merged_fingerprint()
    model.bring([second])
    model.bring([first])
    only_first = model.merged_fingerprint()
    model.bring([first, second])
    assert model.merged_fingerprint() == wanted
    model.distrust()
    model.bring([first])
    assert model.merged_fingerprint() == only_first


def test_live_and_folded_adapters_say_the_same(model: WarmModel, tmp_path: Path) -> None:
    first, second = both(model, tmp_path)
    ids = torch.arange(20)[None] + 100
    with torch.no_grad(), model.attached(Live(frozen=(first, second))):
        live = model.model(input_ids=ids).logits
    model.bring([first, second])
    with torch.no_grad():
        folded = model.model(input_ids=ids).logits
        model.restore()
        pristine = model.model(input_ids=ids).logits
    assert float((live - folded).abs().max()) < 1e-4
    assert float((live - pristine).abs().max()) > 0.1


def test_live_layers_come_off_without_a_trace(model: WarmModel) -> None:
    before = [id(module) for module in model.model.modules()]
    with model.attached(Live(fresh=LORA_PLAN)):
        assert [id(module) for module in model.model.modules()] != before
    assert [id(module) for module in model.model.modules()] == before
    assert not any(parameter.requires_grad for parameter in model.model.parameters())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("use_rslora", None),
        ("use_rslora", False),
        ("r", 5),
        ("lora_alpha", 16),
        ("target_modules", ["q_proj"]),
        ("bias", "all"),
        ("alpha_pattern", {"q_proj": 1}),
    ],
)
def test_an_adapter_config_that_is_not_as_planned_is_refused(
    model: WarmModel, tmp_path: Path, key: str, value: object
) -> None:
    path = write_adapter(model, tmp_path / "a", 1) / adapter.CONFIG_FILE
    config = json.loads(path.read_text())
    if value is None:
        del config[key]
    else:
        config[key] = value
    path.write_text(json.dumps(config))
    with pytest.raises(JobError, match=key) as caught:
        adapter.read(path.parent, LORA_PLAN)
    assert caught.value.reason is Reason.ADAPTER_MISMATCH


def test_an_adapter_of_another_base_is_refused(model: WarmModel, tmp_path: Path) -> None:
    found = adapter.read(write_adapter(model, tmp_path / "a", 1), LORA_PLAN)
    foreign = replace(found, lineage=replace(found.lineage, base_fingerprint="0" * 64))
    with pytest.raises(JobError, match="was trained on base 000000000000") as caught:
        model.bring([foreign])
    assert caught.value.reason is Reason.ADAPTER_MISMATCH


def test_missing_or_extra_weights_are_refused(model: WarmModel, tmp_path: Path) -> None:
    found = adapter.read(write_adapter(model, tmp_path / "a", 1), LORA_PLAN)
    fewer = dict(list(found.weights.items())[1:])
    with pytest.raises(JobError, match="differ in 1 modules"):
        adapter.check_fits(replace(found, weights=fewer), model.model)


def test_published_adapter_files_name_no_path_of_this_machine(
    model: WarmModel, base_dir: Path, tmp_path: Path
) -> None:
    directory = write_adapter(model, tmp_path / "a", 1)
    config = json.loads((directory / adapter.CONFIG_FILE).read_text())
    assert config["base_model_name_or_path"] == base_dir.name
    assert str(base_dir.parent) not in (directory / adapter.CONFIG_FILE).read_text()


def test_one_bit_changes_the_fingerprint_of_a_model() -> None:
    weights = {"a": torch.randn(40, 7), "b": torch.randn(5).to(torch.bfloat16)}
    first = fingerprint.of_tensors(weights.items())
    assert first == fingerprint.of_tensors(reversed(list(weights.items())))
    swapped = {**weights, "a": weights["a"].flip(0)}
    assert fingerprint.of_tensors(swapped.items()) != first
    weights["b"].view(torch.int16)[2] ^= 1
    assert fingerprint.of_tensors(weights.items()) != first
