"""The sampler protocol: prompts in, completions with finish reasons out; and which body to use."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from runners.ml.plans import SamplingPlan
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

if TYPE_CHECKING:
    from transformers.modeling_utils import PreTrainedModel
    from transformers.tokenization_utils_base import PreTrainedTokenizerBase

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


def choose(wish: str, device: str, *, vllm_is_here: bool, trunk_can: bool) -> str:
    """Decide between the bodies: ``auto`` is vLLM on CUDA where it can be imported.

    Else it is our own decoding loop where that can run the model, else transformers' generate.
    """
    if wish not in ("auto", "transformers", "trunk", "vllm"):
        raise JobError(Reason.CONFIG, f"there is no sampler {wish!r}")
    if wish == "vllm" and not vllm_is_here:
        raise JobError(Reason.VLLM_INIT, "sampler is vllm but the package vllm is missing")
    if wish == "trunk" and not trunk_can:
        raise JobError(Reason.CONFIG, "sampler is trunk but it cannot run this model")
    if wish != "auto":
        return wish
    if device == "cuda" and vllm_is_here:
        return "vllm"
    return "trunk" if trunk_can else "transformers"


def sampler_for(warm: Warm, model: WarmModel, plan: SamplingPlan) -> Sampler:
    """Return a sampler of the warm model's present weights."""
    from runners.ml import sampling_transformers, sampling_trunk

    name = choose(
        plan.sampler,
        model.device.type,
        vllm_is_here=importlib.util.find_spec("vllm") is not None,
        trunk_can=sampling_trunk.can_run(model.model),
    )
    if name == "vllm":
        from runners.ml import sampling_vllm

        return sampling_vllm.engine_of(warm, model)
    if name == "trunk":
        return sampling_trunk.TrunkSampler(model.model, model.tokenizer)
    return sampling_transformers.TransformersSampler(model.model, model.tokenizer)


def batch_seed(seed: int, batch: int) -> int:
    """Give every batch its own random numbers, so that batches do not depend on one another."""
    return (seed * 1_000_003 + batch) % (2**63)


def stop_tokens(model: PreTrainedModel) -> frozenset[int]:
    """Return the tokens that end an answer."""
    config: Any = model.generation_config
    return frozenset(config.eos_token_id)


def read_completions(
    generated: Sequence[Sequence[int]],
    stops: frozenset[int],
    tokenizer: PreTrainedTokenizerBase,
) -> list[Completion]:
    """Cut each line of new tokens at its first stop token and decode it."""
    cut = [_until_stop(line, stops) for line in generated]
    texts = tokenizer.batch_decode(
        [ids for ids, _ in cut], skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return [
        Completion(tuple(ids), text, STOP if stopped else LENGTH)
        for (ids, stopped), text in zip(cut, texts, strict=True)
    ]


def _until_stop(line: Sequence[int], stops: frozenset[int]) -> tuple[list[int], bool]:
    for place, token in enumerate(line):
        if token in stops:
            return list(line[:place]), True
    return list(line), False
