"""Times the completions of one evaluation by a vLLM engine started as the sampler starts it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import Any

from runners.bench import clock
from runners.bench.decoding import figures
from runners.bench.subject import Subject, answer_lengths, prompts
from runners.ml import sampler_vllm
from runners.ml.stage_settings import BasePlan


@dataclass(frozen=True, slots=True)
class _Base:
    """What of a warm model the engine's arguments are taken from."""

    plan: BasePlan
    model: Any


def measure(subject: Subject, width: int) -> dict[str, Any]:
    """Complete one batch of ``width`` with forced lengths; the engine's start is timed apart.

    The engine makes up weights of its own: the time of a product does not depend on them.
    """
    import vllm

    asked = [{"prompt_token_ids": list(prompt)} for prompt in prompts(subject, width)]
    lengths = answer_lengths(subject.work, width, seed=3)
    rules = [
        vllm.SamplingParams(
            temperature=1.0, max_tokens=length, min_tokens=length, ignore_eos=True, detokenize=False
        )
        for length in lengths
    ]
    clock.reset_peak(subject.device)  # the engine leaves free what this process ever held
    llm, start = None, clock.now()
    try:
        llm = _started(subject, width)
        started = start.until(clock.now()).wall
        llm.generate(asked[:64], rules[:64], use_tqdm=False)
        llm.reset_prefix_cache()
        span = clock.once(lambda: llm.generate(asked, rules, use_tqdm=False), subject.device)
    finally:
        if llm is not None:
            llm.llm_engine.engine_core.shutdown()
    return {
        "started_s": started,
        **figures(subject, width, sum(lengths), span.wall),
        "peak_gib": None,
    }


def _started(subject: Subject, width: int) -> Any:
    import vllm

    dtype = str(subject.model.lm_head.weight.dtype).removeprefix("torch.")
    with tempfile.TemporaryDirectory() as folder:
        subject.model.config.save_pretrained(folder)
        base: Any = _Base(BasePlan(folder, dtype=dtype), subject.model)
        arguments = sampler_vllm.engine_arguments(base, seed=0, sequences=width)
        return vllm.LLM(**arguments, load_format="dummy", **sampler_vllm.room(subject.model))
