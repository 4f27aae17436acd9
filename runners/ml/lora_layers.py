"""Puts LoRA layers on a model through PEFT; the only place that imports peft to do so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from transformers.modeling_utils import PreTrainedModel

from runners.ml import base_model
from runners.ml.adapter import Adapter
from runners.ml.stage_settings import BasePlan, LoraPlan

FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class Live:
    """Which LoRA layers are to be live."""

    frozen: tuple[Adapter, ...] = ()
    """Adapters as they are on disk, not trained."""
    fresh: LoraPlan | None = None
    """A new adapter to train."""
    seed: int = field(default=0)
    """Of the fresh adapter's initial weights."""


def lora_config(plan: LoraPlan) -> LoraConfig:
    """Return PEFT's config of a planned adapter."""
    return LoraConfig(
        r=plan.r,
        lora_alpha=plan.alpha,  # type: ignore[arg-type]  # peft takes floats
        lora_dropout=plan.dropout,
        use_rslora=plan.use_rslora,
        target_modules=list(plan.target_modules),
        bias="none",
        task_type="CAUSAL_LM",
    )


def put_on(model: PreTrainedModel, live: Live) -> PeftModel:
    """Wrap ``model`` in place; all named adapters are active, only the fresh one is trained."""
    named: list[tuple[str, LoraPlan]] = [
        (f"frozen_{index}", adapter.plan) for index, adapter in enumerate(live.frozen)
    ]
    if live.fresh is not None:
        torch.manual_seed(live.seed)
        named.insert(0, (FRESH, live.fresh))
    first, *others = named
    peft = get_peft_model(model, lora_config(first[1]), adapter_name=first[0])
    for name, plan in others:
        peft.add_adapter(name, lora_config(plan))
    peft.base_model.set_adapter([name for name, _ in named])
    for index, adapter in enumerate(live.frozen):
        _fill(peft, f"frozen_{index}", adapter)
    for name, parameter in peft.named_parameters():
        parameter.requires_grad_(f".{FRESH}." in name and "lora_" in name)
    return peft


def tensors_of(peft: PeftModel, name: str = FRESH) -> dict[str, torch.Tensor]:
    """Return one adapter's tensors under the keys PEFT writes to disk."""
    found: dict[str, torch.Tensor] = get_peft_model_state_dict(peft, adapter_name=name)
    return found


def config_of(peft: PeftModel, base: BasePlan, name: str = FRESH) -> dict[str, Any]:
    """Return one adapter's config as plain JSON values in a fixed order.

    PEFT fills in the directory the base was loaded from; published files name the base instead.
    """
    raw = peft.peft_config[name].to_dict()
    raw["base_model_name_or_path"] = base_model.public_name(base)
    raw["revision"] = base.revision
    raw["target_modules"] = sorted(raw["target_modules"])
    raw["inference_mode"] = True
    raw["peft_type"] = str(getattr(raw["peft_type"], "value", raw["peft_type"]))
    return raw


def _fill(peft: PeftModel, name: str, adapter: Adapter) -> None:
    for module_name, (a, b) in adapter.weights.items():
        layer: Any = peft.base_model.model.get_submodule(module_name)
        layer.lora_A[name].weight.data.copy_(a)
        layer.lora_B[name].weight.data.copy_(b)
