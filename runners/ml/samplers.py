"""Chooses the sampler, and returns it for the model as it is now."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from runners.ml import sampler_decoder, sampler_transformers, sampler_vllm
from runners.ml.completions import Sampler
from runners.ml.stage_settings import SamplingSettings
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

if TYPE_CHECKING:
    from runners.ml.model_cache import LoadedModel, ModelCache


def choose(wanted: str, device: str, *, has_vllm: bool, decoder_can: bool) -> str:
    """Choose by name: ``auto`` is our own decoding loop (``trunk``) where that can run the model.

    For 2,200 completions on an H200 vLLM takes 26 s and the loop 27 s, but vLLM takes 90 s to
    start, and memory that training needs. For other models it is vLLM on CUDA where it is
    installed, else transformers' generate.
    """
    if wanted not in ("auto", "transformers", "trunk", "vllm"):
        raise JobError(Reason.CONFIG, f"there is no sampler {wanted!r}")
    if wanted == "vllm" and not has_vllm:
        raise JobError(Reason.VLLM_INIT, "sampler is vllm but the package vllm is missing")
    if wanted == "trunk" and not decoder_can:
        raise JobError(Reason.CONFIG, "sampler is trunk but it cannot run this model")
    if wanted != "auto":
        return wanted
    if decoder_can:
        return "trunk"
    return "vllm" if device == "cuda" and has_vllm else "transformers"


def for_model(cache: ModelCache, model: LoadedModel, settings: SamplingSettings) -> Sampler:
    """Return a sampler of the model's current weights."""
    name = choose(
        settings.sampler,
        model.device.type,
        has_vllm=importlib.util.find_spec("vllm") is not None,
        decoder_can=sampler_decoder.can_run(model.model),
    )
    if name == "vllm":
        return sampler_vllm.for_model(cache, model)
    if name == "trunk":
        return sampler_decoder.DecoderSampler(model.model, model.tokenizer)
    return sampler_transformers.TransformersSampler(model.model, model.tokenizer)
