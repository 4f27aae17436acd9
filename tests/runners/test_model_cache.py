"""Merging adapters in place: bit-equal to PEFT, exactly undone, refused on another base."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import Qwen2ForCausalLM

from runners.ml import adapter
from runners.ml.adapter import Adapter
from runners.ml.lora_layers import LoraLayers
from runners.ml.model_cache import LoadedModel
from runners.ml.stage_settings import BaseSettings
from tests.runners.test_adapter import write_adapter
from tests.runners.test_training_loop import LORA_SETTINGS
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError


def both(model: LoadedModel, tmp_path: Path) -> list[Adapter]:
    loras = (LORA_SETTINGS, replace(LORA_SETTINGS, r=8, alpha=3))
    return [
        adapter.read(write_adapter(model, tmp_path / str(seed), seed, lora), lora)
        for seed, lora in enumerate(loras)
    ]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_merging_is_bit_equal_to_merge_and_unload(
    base: dict[str, Any], base_dir: Path, tmp_path: Path, dtype: str
) -> None:
    """float32 adapters on either base; the fingerprint covers the dtype, so each has its own."""
    model = LoadedModel(BaseSettings(**{**base, "dtype": dtype}))
    model.set_adapters(both(model, tmp_path))
    theirs = Qwen2ForCausalLM.from_pretrained(base_dir, dtype=getattr(torch, dtype))
    for seed in (0, 1):
        theirs = PeftModel.from_pretrained(theirs, tmp_path / str(seed)).merge_and_unload()
    expected = dict(theirs.named_parameters())
    for name, parameter in model.model.named_parameters():
        assert parameter.dtype is expected[name].dtype
        assert torch.equal(parameter, expected[name]), name


def test_restoring_gives_the_very_base_back(model: LoadedModel, tmp_path: Path) -> None:
    model.set_adapters(both(model, tmp_path))
    assert model.current_fingerprint() != model.fingerprint
    model.restore()
    assert model.current_fingerprint() == model.fingerprint


def test_a_state_does_not_depend_on_what_was_in_place_before(
    model: LoadedModel, tmp_path: Path
) -> None:
    first, second = both(model, tmp_path)
    model.set_adapters([first, second])
    wanted = model.current_fingerprint()
    model.set_adapters([second])
    model.set_adapters([first])
    only_first = model.current_fingerprint()
    model.set_adapters([first, second])
    assert model.current_fingerprint() == wanted
    model.invalidate()
    model.set_adapters([first])
    assert model.current_fingerprint() == only_first


def test_live_and_merged_adapters_agree(model: LoadedModel, tmp_path: Path) -> None:
    first, second = both(model, tmp_path)
    ids = torch.arange(20)[None] + 100
    with torch.no_grad(), model.attached(LoraLayers(frozen=(first, second))):
        live = model.model(input_ids=ids).logits
    model.set_adapters([first, second])
    with torch.no_grad():
        merged = model.model(input_ids=ids).logits
        model.restore()
        pristine = model.model(input_ids=ids).logits
    assert float((live - merged).abs().max()) < 1e-4
    assert float((live - pristine).abs().max()) > 0.1


def test_live_layers_come_off_without_a_trace(model: LoadedModel) -> None:
    before = [id(module) for module in model.model.modules()]
    with model.attached(LoraLayers(fresh=LORA_SETTINGS)):
        assert [id(module) for module in model.model.modules()] != before
    assert [id(module) for module in model.model.modules()] == before
    assert not any(parameter.requires_grad for parameter in model.model.parameters())


def test_an_adapter_of_another_base_is_refused(model: LoadedModel, tmp_path: Path) -> None:
    found = adapter.read(write_adapter(model, tmp_path / "a", 1), LORA_SETTINGS)
    foreign = replace(found, lineage=replace(found.lineage, base_fingerprint="0" * 64))
    with pytest.raises(JobError, match="was trained on base 000000000000") as caught:
        model.set_adapters([foreign])
    assert caught.value.reason is Reason.ADAPTER_MISMATCH
