"""Judges a LoRA adapter on disk: config as planned, weights present, finite and not empty."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuilab.contract.parsing import read_if_sound
from tuilab.contract.reasons import Reason
from tuilab.store.tensors import TensorFileError, is_all_zero, is_finite, read_header

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
Problem = tuple[Reason, str]
_PLANNED = {"r": "r", "alpha": "lora_alpha", "dropout": "lora_dropout", "use_rslora": "use_rslora"}
"""Plan key -> key of adapter_config.json."""


def adapter_problem(folder: Path, lora: Mapping[str, Any]) -> Problem | None:
    """Return the first thing wrong with an adapter, or None.

    A key that is missing is as wrong as another value: without ``use_rslora`` PEFT applies
    alpha / r instead of alpha / sqrt(r).
    """
    config = read_if_sound(folder / CONFIG_FILE, dict)
    if config is None:
        return Reason.ADAPTER_MISMATCH, f"{folder.name}/{CONFIG_FILE} cannot be read"
    return _config_problem(config, lora, folder.name) or _weights_problem(folder, lora)


def _config_problem(
    config: Mapping[str, Any], lora: Mapping[str, Any], where: str
) -> Problem | None:
    expected = {_PLANNED[key]: lora[key] for key in _PLANNED if key in lora}
    expected |= {"peft_type": "LORA", "bias": "none"}
    for key, wanted in expected.items():
        if key not in config:
            return Reason.ADAPTER_MISMATCH, f"{where}: {CONFIG_FILE} lacks {key}, planned {wanted}"
        if config[key] != wanted:
            found = config[key]
            return Reason.ADAPTER_MISMATCH, f"{where}: {key} is {found!r}, planned {wanted!r}"
    for key in ("use_dora", "modules_to_save", "rank_pattern", "alpha_pattern"):
        if config.get(key):
            return Reason.ADAPTER_MISMATCH, f"{where}: {key} is {config[key]!r}, planned none"
    modules = config.get("target_modules")
    if not isinstance(modules, list) or sorted(modules) != sorted(lora["target_modules"]):
        return Reason.ADAPTER_MISMATCH, f"{where}: target_modules are {modules!r}, not as planned"
    return None


def _weights_problem(folder: Path, lora: Mapping[str, Any]) -> Problem | None:
    path, where = folder / WEIGHTS_FILE, folder.name
    try:
        tensors = read_header(path)
        if problem := _shape_problem(tensors, lora, where):
            return problem
        if bad := next((name for name in tensors if not is_finite(path, tensors[name])), None):
            return Reason.NAN_LOSS, f"{where}: {bad} has non-finite values"
        raised = [tensor for name, tensor in tensors.items() if ".lora_B" in name]
        if all(is_all_zero(path, tensor) for tensor in raised):
            return Reason.MERGE_EMPTY, f"{where}: every lora_B is zero, the adapter changes nothing"
    except (TensorFileError, OSError) as error:
        return Reason.ADAPTER_MISMATCH, f"{where}: {error}"
    return None


def _shape_problem(
    tensors: Mapping[str, Any], lora: Mapping[str, Any], where: str
) -> Problem | None:
    if not tensors:
        return Reason.ADAPTER_MISMATCH, f"{where}: {WEIGHTS_FILE} holds no tensor"
    touched = set()
    for name, tensor in tensors.items():
        module, _, part = name.removesuffix(".weight").partition(".lora_")
        rank_axis = {"A": 0, "B": 1}.get(part)
        if rank_axis is None or len(tensor.shape) != 2:
            return Reason.ADAPTER_MISMATCH, f"{where}: {name} is not a LoRA weight"
        if tensor.shape[rank_axis] != lora["r"]:
            shape = list(tensor.shape)
            return Reason.ADAPTER_MISMATCH, f"{where}: {name} is {shape}, planned r {lora['r']}"
        touched.add(module.rsplit(".", 1)[-1])
    if absent := sorted(set(lora["target_modules"]) - touched):
        return Reason.ADAPTER_MISMATCH, f"{where}: no weights for {', '.join(absent)}"
    return None
