"""Loads a base model and its tokenizer; the only place that reads model files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from runners.ml import base_checks, chat
from runners.ml.chat import Chat
from runners.ml.stage_settings import BaseSettings
from runners.tinybase import locate
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

DEVICE_VARIABLE = "TUILAB_DEVICE_UUID"
"""Environment variable in which the launcher names this worker's device."""
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def pick_device(wanted: str) -> torch.device:
    """Return the device of this process; JobError (config) when CUDA is wanted and missing."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise JobError(Reason.CONFIG, "base.device is cuda but torch sees no CUDA device")
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    index = torch.cuda.current_device()
    found = str(getattr(torch.cuda.get_device_properties(index), "uuid", ""))
    refuse_other_device(os.environ.get(DEVICE_VARIABLE, ""), found)
    return torch.device("cuda", index)


def refuse_other_device(given: str, found: str) -> None:
    """Compare the device the launcher chose with the one torch sees (NVML writes ``GPU-``)."""
    if given and found and given.removeprefix("GPU-") != found.removeprefix("GPU-"):
        raise JobError(
            Reason.CONFIG,
            f"the launcher gave this worker device {given}, but torch sees {found}: "
            "something else changed CUDA_VISIBLE_DEVICES",
        )


def load(base: BaseSettings) -> tuple[PreTrainedModel, Chat]:
    """Load the model, frozen and in eval mode, and how it renders chats.

    JobError: config when it cannot be loaded or its template is unfit, auth when the hub refuses.
    """
    source = source_of(base)
    if base.trust_remote_code and not base.revision:
        raise JobError(
            Reason.CONFIG,
            f"{base.model}: trust_remote_code needs base.revision, the trusted commit",
        )
    common: dict[str, Any] = {
        "revision": base.revision,
        "trust_remote_code": base.trust_remote_code,
    }
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **common)
        rendered = chat.of_base(tokenizer, base)
        base_checks.refuse(base_checks.of_template(rendered))
        model: Any = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=_DTYPES[base.dtype],
            attn_implementation="sdpa",
            use_safetensors=True,
            **common,
        )
    except OSError as error:
        raise JobError(*_explain(base, error)) from error
    if getattr(model.config, "attn_logit_softcapping", None):
        model.set_attn_implementation("eager")  # sdpa leaves the softcapping out
    model = model.to(pick_device(base.device)).eval().requires_grad_(False)
    model.generation_config = neutral_generation(model, tokenizer, rendered.end_of_turn)
    return model, rendered


def source_of(base: BaseSettings) -> str:
    """Return the hub id or directory to load from; a tiny base is verified file by file first."""
    if base.model != "tiny":
        return base.model
    directory = Path(base.path) if base.path else locate.shipped_dir()
    try:
        locate.verify(directory)
    except locate.TinyBaseError as error:
        raise JobError(Reason.CONFIG, str(error)) from error
    return str(directory)


def public_name(base: BaseSettings) -> str:
    """Name the base in published files: never a path of this machine."""
    if base.model == "tiny":
        return "tuilab-tiny"
    return Path(base.model).name if Path(base.model).is_absolute() else base.model


def neutral_generation(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, end_of_turn: int
) -> GenerationConfig:
    """Keep only the stop tokens of a model's generation config, and the template's end of turn.

    What a checkpoint ships (Qwen2.5-Instruct: top_k 20, repetition_penalty 1.05) would otherwise
    fill every field that a call leaves unset.
    """
    stops = model.generation_config.eos_token_id if model.generation_config else None
    stops = [stops] if isinstance(stops, int) else list(stops or [])
    stops = sorted({*stops, end_of_turn, tokenizer.eos_token_id} - {None})
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else stops[0]
    return GenerationConfig(eos_token_id=stops, pad_token_id=pad)


def _explain(base: BaseSettings, error: OSError) -> tuple[Reason, str]:
    text = str(error).splitlines()[0]
    if any(sign in str(error) for sign in ("401", "403", "gated")):
        return Reason.AUTH, f"{base.model}: the hub refuses access: {text}"
    hint = "" if Path(base.model).is_dir() else " (offline? download it first)"
    return Reason.CONFIG, f"{base.model}: cannot be loaded{hint}: {text}"
