"""Shows on this device that the fast path computes what PEFT and transformers compute."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager
from typing import Any

import torch
from transformers import Qwen2Config

from runners.bench import steps
from runners.bench.subject import Subject, adapted, prompts, random_model, rows
from runners.bench.workload import Workload
from runners.fast import backends, decoder, generation
from runners.fast.generation import Rules
from runners.fast.sampling import Choice

_VOCABULARY = 4096
_TOLERANCE = 1.5
"""A fast gradient may be so much further from float32 than PEFT's own, in reduced precision."""
_REGRET = 0.25
"""A chosen token may lie so far below the likeliest one, in standard deviations of the logits."""


def measure(subject: Subject) -> dict[str, Any]:
    """Compare on two layers of the subject's widths: distances of gradients, regret of tokens."""
    small = _small(subject)
    distances = _distances(small)
    regret = _regret(small)
    floor = 1e-5 if subject.element == 4 else 0.0
    allowed = max(_TOLERANCE * distances["PEFT"], floor)
    return {
        "gradient_distance": distances,
        "token_regret": regret,
        "passed": all(d <= allowed for d in distances.values()) and regret < _REGRET,
    }


def _small(subject: Subject) -> Subject:
    config: Qwen2Config = copy.deepcopy(subject.model.config)
    config.num_hidden_layers = 2
    config.layer_types = config.layer_types[:2]
    config.vocab_size = min(config.vocab_size, _VOCABULARY)
    config.bos_token_id = config.eos_token_id = config.pad_token_id = None
    dtype = subject.model.lm_head.weight.dtype
    work = Workload(prompt_tokens=20, answer_tokens=80, answer_limit=200, rank=subject.work.rank)
    return Subject(random_model(config, subject.device, dtype), subject.device, work, "two layers")


def _distances(subject: Subject) -> dict[str, float]:
    """Return each way's relative distance from the gradients in float32."""
    peft = adapted(subject.model, subject.work.rank)
    exact = copy.deepcopy(peft).float()
    plain = steps.VARIANTS[1]
    ways: dict[str, AbstractContextManager[steps.Loss]] = {
        "PEFT": plain.open(peft),
        "lean": steps.through(backends.lean(peft)),
        "fused, plain steps": steps.through(backends.fused(peft, False, False)),
        "fused": steps.through(backends.fused(peft)),
    }
    truth = _gradient(subject, exact, plain.open(exact))
    found = {}
    for name, way in ways.items():
        gradient = _gradient(subject, peft, way)
        found[name] = float((gradient - truth).norm() / truth.norm())
    peft.unload()
    return found


def _gradient(subject: Subject, peft: Any, way: AbstractContextManager[steps.Loss]) -> torch.Tensor:
    with way as loss:
        summed, _ = loss(rows(subject, 4))
        summed.backward()
    found = torch.cat([p.grad.flatten() for p in peft.parameters() if p.requires_grad])
    peft.zero_grad()
    return found


@torch.no_grad()
def _regret(subject: Subject) -> float:
    """Complete greedily, then ask transformers how much likelier its own choice would have been."""
    asked = prompts(subject, 16)[::2] + prompts(subject, 200)[-4:]
    limits = tuple(3 + 5 * index for index in range(len(asked)))
    rules = Rules(frozenset(), 0, limits=limits, look_every=4)
    with decoder.on(subject.model) as layers:
        texts = generation.complete(layers, asked, rules, Choice(temperature=0.0))
    return max(
        _below_best(subject, prompt, text) for prompt, text in zip(asked, texts, strict=True)
    )


def _below_best(subject: Subject, prompt: tuple[int, ...], text: list[int]) -> float:
    ids = torch.tensor([[*prompt, *text]], device=subject.device)
    logits = subject.model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
    chosen = logits.gather(1, torch.tensor(text, device=subject.device)[:, None])[:, 0]
    return float(((logits.amax(1) - chosen) / logits.std(1)).max())
