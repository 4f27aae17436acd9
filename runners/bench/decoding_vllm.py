"""Times the completions of one evaluation on a vLLM engine, started as the sampler does."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import Any

from runners.bench import clock
from runners.bench.decoding import figures
from runners.bench.subject import Subject, answer_lengths, prompts
from runners.ml import sampler_vllm
from runners.ml.stage_settings import BaseSettings


@dataclass(frozen=True, slots=True)
class _Model:
    """The parts of a ``LoadedModel`` that the engine's arguments come from."""

    settings: BaseSettings
    model: Any


def measure(subject: Subject, width: int) -> dict[str, Any]:
    """Complete one batch of ``width`` with forced lengths; the engine's start is timed apart.

    The engine has random weights of its own: the time of a product does not depend on them.
    """
    import vllm

    asked = [{"prompt_token_ids": list(prompt)} for prompt in prompts(subject, width)]
    lengths = answer_lengths(subject.work, width, seed=3)
    parameters = [
        vllm.SamplingParams(
            temperature=1.0, max_tokens=length, min_tokens=length, ignore_eos=True, detokenize=False
        )
        for length in lengths
    ]
    clock.reset_peak(subject.device)  # the engine leaves free what this process has ever held
    llm, start = None, clock.now()
    try:
        llm = _started(subject, width)
        started = start.until(clock.now()).wall
        llm.generate(asked[:64], parameters[:64], use_tqdm=False)
        llm.reset_prefix_cache()
        span = clock.once(lambda: llm.generate(asked, parameters, use_tqdm=False), subject.device)
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

    with tempfile.TemporaryDirectory() as folder:
        subject.model.config.save_pretrained(folder)
        model: Any = _Model(BaseSettings(folder, dtype=subject.precision), subject.model)
        arguments = sampler_vllm.engine_arguments(model, seed=0, sequences=width)
        return vllm.LLM(
            **arguments, load_format="dummy", **sampler_vllm.memory_arguments(subject.model)
        )
