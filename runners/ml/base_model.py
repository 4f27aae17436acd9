"""Loads a base model and its tokenizer; the only place that reads model files."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from runners.ml.stage_settings import BasePlan
from runners.tinybase import locate
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

DEVICE_VARIABLE = "TUILAB_DEVICE_UUID"
"""Environment variable in which the launcher names the device of this worker."""
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def pick_device(wish: str) -> torch.device:
    """Return the device of this process; JobError (config) when CUDA is asked for and absent."""
    if wish == "cuda" and not torch.cuda.is_available():
        raise JobError(Reason.CONFIG, "base.device is cuda but torch sees no CUDA device")
    if wish == "cpu" or not torch.cuda.is_available():
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


def load(plan: BasePlan) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load the model, frozen and in eval mode, and its tokenizer."""
    place = where(plan)
    if plan.trust_remote_code and not plan.revision:
        raise JobError(
            Reason.CONFIG,
            f"{plan.model}: trust_remote_code needs base.revision, the trusted commit",
        )
    arguments = {"revision": plan.revision, "trust_remote_code": plan.trust_remote_code}
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, **arguments)
        model = AutoModelForCausalLM.from_pretrained(
            place,
            dtype=_DTYPES[plan.dtype],
            attn_implementation="sdpa",
            use_safetensors=True,
            **arguments,
        )
    except OSError as error:
        raise JobError(*_explain(plan, error)) from error
    model = model.to(pick_device(plan.device)).eval().requires_grad_(False)
    model.generation_config = neutral_generation(model, tokenizer)
    return model, tokenizer


def where(plan: BasePlan) -> str:
    """Return the hub id or directory to load from; a tiny base is verified file by file first."""
    if plan.model != "tiny":
        return plan.model
    directory = Path(plan.path) if plan.path else locate.shipped_dir()
    try:
        locate.verify(directory)
    except locate.TinyBaseError as error:
        raise JobError(Reason.CONFIG, str(error)) from error
    return str(directory)


def public_name(plan: BasePlan) -> str:
    """Name the base in published files: never a path of this machine."""
    if plan.model == "tiny":
        return "tuilab-tiny"
    return Path(plan.model).name if Path(plan.model).is_absolute() else plan.model


def neutral_generation(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> GenerationConfig:
    """Keep a model's stop tokens and nothing else of its generation config.

    What a checkpoint ships (Qwen2.5-Instruct: top_k 20, repetition_penalty 1.05) would otherwise
    fill every field that a call leaves unset.
    """
    stops = model.generation_config.eos_token_id if model.generation_config else None
    stops = [stops] if isinstance(stops, int) else list(stops or [])
    stops = sorted({*stops, tokenizer.eos_token_id})
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else stops[0]
    return GenerationConfig(eos_token_id=stops, pad_token_id=pad)


def _explain(plan: BasePlan, error: OSError) -> tuple[Reason, str]:
    text = str(error).splitlines()[0]
    if any(sign in str(error) for sign in ("401", "403", "gated")):
        return Reason.AUTH, f"{plan.model}: the hub refuses: {text}"
    return (
        Reason.CONFIG,
        f"{plan.model}: cannot be loaded (offline? fetch it once): {text}",
    )
