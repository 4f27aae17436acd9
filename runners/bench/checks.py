"""Checks on this device that the fast path computes what PEFT and transformers compute."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager
from typing import Any

import torch

from runners.bench import training_steps
from runners.bench.subject import Subject, adapted, prompts, random_model, rows
from runners.bench.workload import Workload
from runners.fast import backends, decoder, generation
from runners.fast.generation import GenerateOptions
from runners.fast.sampling import TokenSampler

_VOCABULARY = 4096
_TOLERANCE = 1.5
"""A fast gradient may be this many times as far from float32 as PEFT's, in reduced precision."""
_REGRET = 0.25
"""A chosen token may be this far below the likeliest one, in standard deviations of the logits."""


def measure(subject: Subject) -> dict[str, Any]:
    """Compare on two layers of the subject's widths: distances of gradients, regret of tokens."""
    small = _small(subject)
    distances = _distances(small)
    regret = _regret(small)
    floor = 1e-5 if subject.precision == "float32" else 0.0
    allowed = max(_TOLERANCE * distances["PEFT"], floor)
    return {
        "gradient_distance": distances,
        "token_regret": regret,
        "passed": all(d <= allowed for d in distances.values()) and regret < _REGRET,
    }


def _small(subject: Subject) -> Subject:
    config = copy.deepcopy(subject.model.config)
    config.num_hidden_layers = 2
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:2]
    config.vocab_size = min(config.vocab_size, _VOCABULARY)
    config.bos_token_id = config.eos_token_id = config.pad_token_id = None
    work = Workload(prompt_tokens=20, answer_tokens=80, answer_limit=200, rank=subject.work.rank)
    return Subject(
        random_model(config, subject.device, subject.dtype), subject.device, work, "two layers"
    )


def _distances(subject: Subject) -> dict[str, float]:
    """Return each backend's relative distance from the gradients in float32."""
    peft = adapted(subject.model, subject.work.rank)
    exact = copy.deepcopy(peft).float()
    plain = training_steps.VARIANTS[1]
    losses: dict[str, AbstractContextManager[training_steps.Loss]] = {
        "PEFT": plain.open(peft),
        "lean": training_steps.loss_of(backends.lean(peft)),
        "fused, plain steps": training_steps.loss_of(backends.fused(peft, False, False)),
        "fused": training_steps.loss_of(backends.fused(peft)),
    }
    truth = _gradient(subject, exact, plain.open(exact))
    found = {}
    for name, loss in losses.items():
        gradient = _gradient(subject, peft, loss)
        found[name] = float((gradient - truth).norm() / truth.norm())
    peft.unload()
    return found


def _gradient(
    subject: Subject, peft: Any, opened: AbstractContextManager[training_steps.Loss]
) -> torch.Tensor:
    with opened as loss:
        summed, _ = loss(rows(subject, 4))
        summed.backward()
    found = torch.cat([p.grad.flatten() for p in peft.parameters() if p.requires_grad])
    peft.zero_grad()
    return found


@torch.no_grad()
def _regret(subject: Subject) -> float:
    """Complete greedily; return how far, by transformers' logits, a token is below the best one."""
    asked = prompts(subject, 16)[::2] + prompts(subject, 200)[-4:]
    limits = tuple(3 + 5 * index for index in range(len(asked)))
    options = GenerateOptions(frozenset(), 0, lengths=limits, check_every=4)
    with decoder.fused(subject.model) as fused:
        texts = generation.generate(fused, asked, options, TokenSampler(temperature=0.0))
    return max(
        _below_best(subject, prompt, text) for prompt, text in zip(asked, texts, strict=True)
    )


def _below_best(subject: Subject, prompt: tuple[int, ...], text: list[int]) -> float:
    ids = torch.tensor([[*prompt, *text]], device=subject.device)
    logits = subject.model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
    chosen = logits.gather(1, torch.tensor(text, device=subject.device)[:, None])[:, 0]
    return float(((logits.amax(1) - chosen) / logits.std(1)).max())
