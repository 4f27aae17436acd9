"""Writes and reads LoRA adapters in PEFT's format, and refuses any that differs from the plan.

lineage.json says what an adapter was trained on, since PEFT would silently load it onto any base.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from runners.ml.stage_settings import LoraSettings
from tuilab.contract import atomic
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError, digest

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
LINEAGE_FILE = "lineage.json"
FILES = (CONFIG_FILE, WEIGHTS_FILE, LINEAGE_FILE)
_PREFIX = "base_model.model."


@dataclass(frozen=True, slots=True)
class Lineage:
    """The model that an adapter was trained on, by content and not by name."""

    role: str
    """``convergence`` or ``marker``."""
    base_model: str
    base_revision: str | None
    base_fingerprint: str
    """Of the untouched base in the dtype it was used in."""
    source: str | None
    seed: int | None
    epoch: int | None
    """Convergence epoch of this adapter, or of the cell it was trained for."""
    merge_mode: str
    """``merged`` or ``stacked``: how the convergence adapter was applied."""
    convergence_adapter: str | None
    """sha256 of the convergence weights under a marker adapter; None on the untouched base."""
    trained_on: str
    """Fingerprint of the weights the adapter was trained on."""
    data_sha256: str
    """Hash of the training rows with their masks."""
    schema: int = 1


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter in memory, checked against its settings."""

    digest: str
    """sha256 of the weights file."""
    lora: LoraSettings
    weights: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
    """Module name -> A [r, in] and B [out, r], float32."""
    lineage: Lineage


def expected_config(lora: LoraSettings) -> dict[str, Any]:
    """Return the keys of adapter_config.json that decide what the adapter does.

    A missing key is as bad as a wrong one: without ``use_rslora`` PEFT silently applies
    alpha / r instead of alpha / sqrt(r).
    """
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": lora.r,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "use_rslora": lora.use_rslora,
        "use_dora": False,
        "bias": "none",
        "fan_in_fan_out": False,
        "modules_to_save": None,
        "rank_pattern": {},
        "alpha_pattern": {},
        "target_modules": list(lora.target_modules),
    }


def save(
    directory: Path,
    tensors: Mapping[str, torch.Tensor],
    config: Mapping[str, Any],
    lineage: Lineage,
) -> list[Path]:
    """Write one adapter from PEFT's ``tensors`` and ``config``; equal input gives equal bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    ready = {name: tensor.detach().float().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(ready, directory / WEIGHTS_FILE, metadata={"format": "pt"})
    text = json.dumps(config, indent=2, sort_keys=True, allow_nan=False)
    (directory / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")
    atomic.write_json(directory / LINEAGE_FILE, asdict(lineage))
    return [directory / name for name in FILES]


def read(directory: Path, lora: LoraSettings, device: torch.device | str = "cpu") -> Adapter:
    """Read and check one adapter; JobError (adapter-mismatch) names the first difference."""
    for name in FILES:
        if not (directory / name).is_file():
            raise JobError(Reason.ADAPTER_MISMATCH, f"{directory / name} does not exist")
    check_config(directory / CONFIG_FILE, lora)
    tensors = load_file(directory / WEIGHTS_FILE, device=str(device))
    return Adapter(
        digest=digest(directory / WEIGHTS_FILE),
        lora=lora,
        weights=_pair(tensors, lora),
        lineage=_read_lineage(directory),
    )


def check_config(path: Path, lora: LoraSettings) -> None:
    """Compare adapter_config.json with the settings; JobError (adapter-mismatch) names the key."""
    found = json.loads(path.read_text(encoding="utf-8"))
    for key, wanted in expected_config(lora).items():
        if key not in found:
            raise JobError(Reason.ADAPTER_MISMATCH, f"{path.name} lacks {key}; planned: {wanted!r}")
        value = sorted(found[key]) if key == "target_modules" else found[key]
        if value != wanted:
            raise JobError(
                Reason.ADAPTER_MISMATCH, f"{path.name}: {key} is {value!r}, planned: {wanted!r}"
            )


def modules_of(model: torch.nn.Module, lora: LoraSettings) -> dict[str, torch.nn.Linear]:
    """Return the linear modules that an adapter changes, by name; JobError (config) if absent."""
    found = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and name.rsplit(".", 1)[-1] in lora.target_modules
    }
    if absent := set(lora.target_modules) - {name.rsplit(".", 1)[-1] for name in found}:
        raise JobError(
            Reason.CONFIG,
            f"the base has no modules called {', '.join(sorted(absent))}; its linear layers are "
            f"{', '.join(linear_names(model))}: name them in lora.target_modules of both adapters",
        )
    return found


def linear_names(model: torch.nn.Module) -> list[str]:
    """Return the names of a model's linear layers, without the head that makes tokens of states."""
    head = getattr(model, "get_output_embeddings", lambda: None)()
    return sorted(
        {
            name.rsplit(".", 1)[-1]
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear) and module is not head
        }
    )


def check_fits(adapter: Adapter, modules: Mapping[str, torch.nn.Linear]) -> None:
    """Refuse an adapter whose modules or shapes are not exactly the ``modules_of`` the model."""
    if set(modules) != set(adapter.weights):
        odd = sorted(set(modules) ^ set(adapter.weights))
        raise JobError(
            Reason.ADAPTER_MISMATCH,
            f"adapter and base differ in {len(odd)} modules, first: {odd[0]}",
        )
    for name, (a, b) in adapter.weights.items():
        wanted = tuple(modules[name].weight.shape)
        if (b.shape[0], a.shape[1]) != wanted or a.shape[0] != adapter.lora.r:
            raise JobError(
                Reason.ADAPTER_MISMATCH, f"{name}: the adapter has another shape than {wanted}"
            )


def _read_lineage(directory: Path) -> Lineage:
    """Read lineage.json; JobError (adapter-mismatch) when it is broken."""
    path = directory / LINEAGE_FILE
    try:
        return Lineage(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise JobError(Reason.ADAPTER_MISMATCH, f"{path} cannot be used: {error}") from error


def refuse_other_base(lineage: Lineage, base_fingerprint: str) -> None:
    """Refuse an adapter that was trained on other base weights."""
    if lineage.base_fingerprint != base_fingerprint:
        raise JobError(
            Reason.ADAPTER_MISMATCH,
            f"the {lineage.role} adapter was trained on base {lineage.base_fingerprint[:12]} "
            f"({lineage.base_model}), this is {base_fingerprint[:12]}",
        )


def refuse_other_convergence(lineage: Lineage, digest: str | None, merge_mode: str) -> None:
    """Refuse a marker adapter that was trained on another convergence checkpoint."""
    if lineage.convergence_adapter != digest:
        raise JobError(
            Reason.ADAPTER_MISMATCH,
            "the marker adapter was trained on another convergence checkpoint: "
            f"{(lineage.convergence_adapter or 'none')[:12]} instead of {(digest or 'none')[:12]}",
        )
    if lineage.merge_mode != merge_mode:
        raise JobError(
            Reason.ADAPTER_MISMATCH,
            f"the marker adapter was trained {lineage.merge_mode}, the cell is {merge_mode}",
        )


def _pair(
    tensors: Mapping[str, torch.Tensor], lora: LoraSettings
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Group A and B by module; refuse other or missing keys and non-finite values."""
    pairs: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise JobError(Reason.NAN_LOSS, f"{key} has non-finite values")
        name, part = _split(key)
        pairs.setdefault(name, {})[part] = tensor
    if not pairs:
        raise JobError(Reason.ADAPTER_MISMATCH, "the adapter holds no weights")
    for name, parts in pairs.items():
        if set(parts) != {"A", "B"} or name.rsplit(".", 1)[-1] not in lora.target_modules:
            raise JobError(Reason.ADAPTER_MISMATCH, f"{name}: unexpected adapter weights")
    return {name: (parts["A"], parts["B"]) for name, parts in sorted(pairs.items())}


def _split(key: str) -> tuple[str, str]:
    for part in ("A", "B"):
        ending = f".lora_{part}.weight"
        if key.startswith(_PREFIX) and key.endswith(ending):
            return key[len(_PREFIX) : -len(ending)], part
    raise JobError(Reason.ADAPTER_MISMATCH, f"{key}: not the key of a LoRA weight")
