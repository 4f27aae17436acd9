"""The sampler protocol: prompts in, completions with finish reasons out; and which body to use."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from runners.ml.plans import SamplingPlan
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

if TYPE_CHECKING:
    from runners.ml.warm import Warm, WarmModel

STOP, LENGTH = "stop", "length"


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled answer."""

    token_ids: tuple[int, ...]
    """Without the token that ended it."""
    text: str
    finish_reason: str
    """``stop`` (an end-of-turn token came) or ``length`` (cut at the limit)."""


class Sampler(Protocol):
    """Draws one completion per prompt from the model as it is now."""

    name: str
    """Recorded with the results."""

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        plan: SamplingPlan,
        after_batch: Callable[[int, int], None],
    ) -> list[Completion]:
        """Return completions in the order of the prompts; ``after_batch(done, of)`` may raise."""
        ...


def choose(wish: str, device: str, vllm_is_here: bool) -> str:
    """Decide between the bodies: ``auto`` is vLLM on CUDA where it can be imported."""
    if wish not in ("auto", "transformers", "vllm"):
        raise JobError(Reason.CONFIG, f"there is no sampler {wish!r}")
    if wish == "vllm" and (device != "cuda" or not vllm_is_here):
        lacking = "a CUDA device" if device != "cuda" else "the package vllm"
        raise JobError(Reason.VLLM_INIT, f"sampler is vllm but {lacking} is missing")
    if wish == "auto":
        return "vllm" if device == "cuda" and vllm_is_here else "transformers"
    return wish


def sampler_for(warm: Warm, model: WarmModel, plan: SamplingPlan) -> Sampler:
    """Return a sampler of the warm model's present weights."""
    here = importlib.util.find_spec("vllm") is not None
    if choose(plan.sampler, model.device.type, here) == "vllm":
        from runners.ml import sampling_vllm

        return sampling_vllm.engine_of(warm, model)
    from runners.ml.sampling_transformers import TransformersSampler

    return TransformersSampler(model.model, model.tokenizer)
