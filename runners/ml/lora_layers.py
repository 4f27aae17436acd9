"""Attaches LoRA layers to a model through PEFT; the only place that imports peft to do so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from transformers.modeling_utils import PreTrainedModel

from runners.ml import adapter, base_model
from runners.ml.adapter import Adapter
from runners.ml.stage_settings import BaseSettings, LoraSettings

FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class LoraLayers:
    """Which LoRA layers are to be attached."""

    frozen: tuple[Adapter, ...] = ()
    """Adapters as they are on disk, not trained."""
    fresh: LoraSettings | None = None
    """A new adapter to train."""
    seed: int = 0
    """Of the fresh adapter's initial weights."""


def lora_config(lora: LoraSettings) -> LoraConfig:
    """Return PEFT's config of an adapter."""
    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # peft takes floats
        lora_dropout=lora.dropout,
        use_rslora=lora.use_rslora,
        target_modules=list(lora.target_modules),
        bias="none",
        task_type="CAUSAL_LM",
    )


def attach(model: PreTrainedModel, layers: LoraLayers) -> PeftModel:
    """Wrap ``model`` in place; all adapters are active, only the fresh one is trained."""
    named: list[tuple[str, LoraSettings]] = [
        (f"frozen_{index}", one.lora) for index, one in enumerate(layers.frozen)
    ]
    if layers.fresh is not None:
        adapter.modules_of(model, layers.fresh)  # PEFT trains what it finds of the names
        torch.manual_seed(layers.seed)
        named.insert(0, (FRESH, layers.fresh))
    first, *others = named
    # Weights of a frozen adapter are not made here: PEFT would draw them first.
    peft: PeftModel = get_peft_model(
        model,
        lora_config(first[1]),
        adapter_name=first[0],
        low_cpu_mem_usage=layers.fresh is None,
    )
    for name, lora in others:
        peft.add_adapter(name, lora_config(lora), low_cpu_mem_usage=True)
    tuner: Any = peft.base_model
    tuner.set_adapter([name for name, _ in named])
    for index, one in enumerate(layers.frozen):
        _fill(peft, f"frozen_{index}", one)
    for name, parameter in peft.named_parameters():
        parameter.requires_grad_(f".{FRESH}." in name and "lora_" in name)
    return peft


def tensors_of(peft: PeftModel, name: str = FRESH) -> dict[str, torch.Tensor]:
    """Return one adapter's tensors under the keys that PEFT writes to disk."""
    found: dict[str, torch.Tensor] = get_peft_model_state_dict(peft, adapter_name=name)
    return found


def config_of(peft: PeftModel, base: BaseSettings, name: str = FRESH) -> dict[str, Any]:
    """Return one adapter's config as plain JSON values in a fixed order.

    PEFT fills in the directory that the base was loaded from; published files name the base.
    """
    found = peft.peft_config[name].to_dict()
    # PEFT keeps names in sets; on a mixture of experts also an empty one, for no parameters.
    raw: dict[str, Any] = {
        key: (sorted(value) or None) if isinstance(value, set) else value
        for key, value in found.items()
    }
    raw["base_model_name_or_path"] = base_model.public_name(base)
    raw["revision"] = base.revision
    raw["inference_mode"] = True
    raw["peft_type"] = str(getattr(raw["peft_type"], "value", raw["peft_type"]))
    return raw


def _fill(peft: PeftModel, name: str, one: Adapter) -> None:
    tuner: Any = peft.base_model
    for module_name, (a, b) in one.weights.items():
        layer = tuner.model.get_submodule(module_name)
        device = layer.get_base_layer().weight.device
        layer.lora_A[name].weight = torch.nn.Parameter(a.to(device), requires_grad=False)
        layer.lora_B[name].weight = torch.nn.Parameter(b.to(device), requires_grad=False)
