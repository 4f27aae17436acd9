"""Times the completions of one evaluation, with forced lengths, at several batch widths."""

from __future__ import annotations

from typing import Any

import torch
from transformers import GenerationConfig

from runners.bench import clock, workload
from runners.bench.subject import Subject, answer_lengths, prompts
from runners.fast import decoder, generation
from runners.fast.generation import GenerateOptions
from runners.fast.sampling import TokenSampler


def widths(subject: Subject) -> tuple[int, ...]:
    """Return the batch widths to measure; the last one takes the whole evaluation at once."""
    whole = subject.work.completions
    return (64, 512, whole) if subject.device.type == "cuda" else (120, whole)


def measure(subject: Subject, width: int) -> dict[str, Any]:
    """Complete one batch of ``width`` and scale its time to the whole evaluation."""
    work = subject.work
    asked = prompts(subject, width)
    lengths = answer_lengths(work, width, seed=3)
    clock.reset_peak(subject.device)
    torch.manual_seed(0)
    options = GenerateOptions(frozenset(), 0, lengths=tuple(lengths))
    with decoder.fused(subject.model) as fused:
        generation.generate(fused, asked[:8], GenerateOptions(frozenset(), 4), TokenSampler())

        def run() -> None:
            generation.generate(fused, asked, options, TokenSampler())

        seconds = clock.once(run, subject.device).wall
    return figures(subject, width, sum(lengths), seconds)


def by_generate(subject: Subject, width: int, new_tokens: int) -> dict[str, Any]:
    """Let transformers' generate do a part of it, as the reference sampler does."""
    asked = [prompt[: subject.work.prompt_tokens * 3 // 4] for prompt in prompts(subject, width)]
    ids = torch.tensor(asked, device=subject.device)
    config = GenerationConfig(
        max_new_tokens=new_tokens,
        do_sample=True,
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        pad_token_id=0,
    )
    clock.reset_peak(subject.device)

    def run() -> None:
        subject.model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)

    with torch.inference_mode():
        seconds = clock.once(run, subject.device).wall
    return figures(subject, width, width * new_tokens, seconds)


def figures(subject: Subject, width: int, new_tokens: int, seconds: float) -> dict[str, Any]:
    """Return what follows from the time of ``width`` completions with ``new_tokens`` in all."""
    work = subject.work
    prompt_tokens = width * work.prompt_tokens
    flops = workload.decoding_flops(subject.shape, prompt_tokens, new_tokens)
    whole = work.completions * work.answer_tokens
    return {
        "width": width,
        "new_tokens": new_tokens,
        "seconds": seconds,
        "tokens_per_s": new_tokens / seconds,
        "us_per_token": 1e6 * seconds / new_tokens,
        "tflops": flops / seconds / 1e12,
        "evaluation_s": seconds * whole / new_tokens,
        "peak_gib": clock.peak_gib(subject.device),
    }
