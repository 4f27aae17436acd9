"""An adapter on disk: as planned, complete, of this base, and without a path of this machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from runners.ml import adapter, lora_layers
from runners.ml.adapter import Lineage
from runners.ml.lora_layers import LoraLayers
from runners.ml.model_cache import LoadedModel
from runners.ml.stage_settings import LoraSettings
from tests.runners.test_training_loop import LORA_SETTINGS
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError


def write_adapter(
    model: LoadedModel, directory: Path, seed: int, lora: LoraSettings = LORA_SETTINGS
) -> Path:
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
    with model.attached(LoraLayers(fresh=lora, seed=seed)) as peft:
        tensors = lora_layers.tensors_of(peft)
        generator = torch.Generator().manual_seed(seed)
        for tensor in tensors.values():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
        adapter.save(directory, tensors, lora_layers.config_of(peft, model.settings), lineage)
    return directory


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
    model: LoadedModel, tmp_path: Path, key: str, value: object
) -> None:
    path = write_adapter(model, tmp_path / "a", 1) / adapter.CONFIG_FILE
    config = json.loads(path.read_text())
    if value is None:
        del config[key]
    else:
        config[key] = value
    path.write_text(json.dumps(config))
    with pytest.raises(JobError, match=key) as caught:
        adapter.read(path.parent, LORA_SETTINGS)
    assert caught.value.reason is Reason.ADAPTER_MISMATCH


def test_missing_or_extra_weights_are_refused(model: LoadedModel, tmp_path: Path) -> None:
    found = adapter.read(write_adapter(model, tmp_path / "a", 1), LORA_SETTINGS)
    fewer = dict(list(found.weights.items())[1:])
    with pytest.raises(JobError, match="differ in 1 modules"):
        adapter.check_fits(
            replace(found, weights=fewer), adapter.modules_of(model.model, found.lora)
        )


def test_published_adapter_files_name_no_path_of_this_machine(
    model: LoadedModel, base_dir: Path, tmp_path: Path
) -> None:
    directory = write_adapter(model, tmp_path / "a", 1)
    config = json.loads((directory / adapter.CONFIG_FILE).read_text())
    assert config["base_model_name_or_path"] == base_dir.name
    assert str(base_dir.parent) not in (directory / adapter.CONFIG_FILE).read_text()
