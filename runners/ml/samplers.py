"""Decides which body samples, and returns it for the model as it is now."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from runners.ml import sampler_decoder, sampler_transformers, sampler_vllm
from runners.ml.completions import Sampler
from runners.ml.stage_settings import SamplingPlan
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

if TYPE_CHECKING:
    from runners.ml.model_cache import Warm, WarmModel


def choose(wish: str, device: str, *, vllm_is_here: bool, trunk_can: bool) -> str:
    """Decide between the bodies: ``auto`` is our own decoding loop where that can run the model.

    For 2,200 completions on an H200 vLLM takes 26 s and the loop 27 s, but vLLM takes 90 s to
    start, and memory that training wants. For other models it is vLLM on CUDA where it is
    installed, else transformers' generate.
    """
    if wish not in ("auto", "transformers", "trunk", "vllm"):
        raise JobError(Reason.CONFIG, f"there is no sampler {wish!r}")
    if wish == "vllm" and not vllm_is_here:
        raise JobError(Reason.VLLM_INIT, "sampler is vllm but the package vllm is missing")
    if wish == "trunk" and not trunk_can:
        raise JobError(Reason.CONFIG, "sampler is trunk but it cannot run this model")
    if wish != "auto":
        return wish
    if trunk_can:
        return "trunk"
    return "vllm" if device == "cuda" and vllm_is_here else "transformers"


def sampler_for(warm: Warm, model: WarmModel, plan: SamplingPlan) -> Sampler:
    """Return a sampler of the warm model's present weights."""
    name = choose(
        plan.sampler,
        model.device.type,
        vllm_is_here=importlib.util.find_spec("vllm") is not None,
        trunk_can=sampler_decoder.can_run(model.model),
    )
    if name == "vllm":
        return sampler_vllm.engine_of(warm, model)
    if name == "trunk":
        return sampler_decoder.TrunkSampler(model.model, model.tokenizer)
    return sampler_transformers.TransformersSampler(model.model, model.tokenizer)
