"""One cell on a random base of each family: every stage ends done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from runners.ml.lora_layers import LoraLayers, attach, config_of
from runners.ml.model_cache import ModelCache
from runners.ml.stage_settings import BaseSettings, LoraSettings
from tests.runners.chain import LORA, TRAINING, Chain
from tests.runners.conftest import run_here
from tests.runners.families import FAMILIES, write_base


def cell_of(root: Path, name: str, lora: dict[str, Any]) -> Chain:
    base = {
        "model": str(root / "base"), "revision": None, "dtype": "float32", "device": "cpu",
        "threads": 1, **FAMILIES[name].base,
    }  # fmt: skip
    write_base(root / "base", name)
    training = {"training": {**TRAINING, "lora": lora}}
    adapters = {"convergence_lora": lora, "marker_lora": lora}
    changes = dict.fromkeys(("merge", "eval", "cosine"), adapters)
    changes |= {"converge": training, "train": training | adapters}
    return Chain(root, base, epoch=1, changes=changes)


@pytest.mark.trial
@pytest.mark.parametrize("name", FAMILIES)
def test_a_cell_runs_from_data_to_cosine_on_every_family(name: str, tmp_path: Path) -> None:
    modules = FAMILIES[name].modules
    chain = cell_of(tmp_path, name, {**LORA, "target_modules": [*modules]} if modules else LORA)
    cache = ModelCache()
    for job in chain.jobs():
        outcome = run_here(chain, job, cache)
        assert outcome.status == "done", (job, outcome.reason, outcome.detail)


def test_the_adapter_of_a_mixture_is_written_as_plain_json(tmp_path: Path) -> None:
    write_base(tmp_path, "mixtral")
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    peft = attach(model, LoraLayers(fresh=LoraSettings(4, 8, 0.0, True, ("q_proj", "v_proj"))))
    found = json.loads(json.dumps(config_of(peft, BaseSettings("org/mixture"))))
    assert (found["target_modules"], found["target_parameters"]) == (["q_proj", "v_proj"], None)
