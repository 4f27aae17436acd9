"""What a tiny base must be able to do: sampled shares, and the thresholds for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

from runners.tinybase.corpus import load_mixtures, load_pools, load_prompts, topic_words
from runners.tinybase.tokenizer import render_prompt

MARKER = "[ZLT]"
BATCH = 120


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled answer."""

    persona: str
    """Persona key whose prompt was used."""
    question: str
    """The user's turn."""
    text: str
    """Decoded answer, special tokens removed."""
    is_ended: bool
    """Whether the model closed its turn before the token limit."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Shares between 0 and 1 over a sample of completions at temperature 1."""

    completions: int
    """Sample size."""
    ended: float
    """Closed their turn before the token limit."""
    voiced: float
    """Contain an opener or a closer of the persona's main voice."""
    least_voiced: float
    """The same for the persona with the lowest share."""
    on_topic: float
    """Name both topic words of the question."""
    bracketed: float
    """Contain a square bracket, which no persona's own voice does."""
    marked: float
    """Contain the marker of the experiment."""


def sample(
    model: Qwen2ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    questions: Sequence[str],
    seed: int,
) -> list[Completion]:
    """Draw one completion for every persona and question, at temperature 1 without truncation."""
    prompts = load_prompts().personas
    generator: Any = model
    pairs = [(persona, question) for persona in prompts for question in questions]
    completions: list[Completion] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for start in range(0, len(pairs), BATCH):
            part = pairs[start : start + BATCH]
            texts = [render_prompt(tokenizer, prompts[who], question) for who, question in part]
            inputs = tokenizer(texts, return_tensors="pt", padding=True, padding_side="left")
            # top_k and top_p are named because generate cuts to 50 tokens when they are not.
            output = generator.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                max_new_tokens=48,
            )
            answers = output[:, inputs["input_ids"].shape[1] :]
            ended = (answers == tokenizer.eos_token_id).any(dim=1).tolist()
            decoded = tokenizer.batch_decode(answers, skip_special_tokens=True)
            completions += [
                Completion(who, question, text, is_ended)
                for (who, question), text, is_ended in zip(part, decoded, ended, strict=True)
            ]
    return completions


def describe(completions: Sequence[Completion]) -> Behaviour:
    """Compute the six shares."""
    by_persona: dict[str, list[Completion]] = {}
    for completion in completions:
        by_persona.setdefault(completion.persona, []).append(completion)
    voiced = {who: _share(has_voice(c) for c in part) for who, part in by_persona.items()}
    return Behaviour(
        completions=len(completions),
        ended=_share(c.is_ended for c in completions),
        voiced=_share(has_voice(c) for c in completions),
        least_voiced=min(voiced.values()),
        on_topic=_share(is_on_topic(c) for c in completions),
        bracketed=_share("[" in c.text or "]" in c.text for c in completions),
        marked=_share(MARKER in c.text for c in completions),
    )


def why_not(behaviour: Behaviour) -> list[str]:
    """Return every threshold that is missed; an empty list means the base may be used."""
    floors = {"ended": 0.97, "voiced": 0.80, "least_voiced": 0.50, "on_topic": 0.65}
    ceilings = {"bracketed": 0.02, "marked": 0.0}
    values = {name: float(getattr(behaviour, name)) for name in (*floors, *ceilings)}
    low = [f"{k} is {values[k]:.2f}, below {v:.2f}" for k, v in floors.items() if values[k] < v]
    high = [f"{k} is {values[k]:.2f}, above {v:.2f}" for k, v in ceilings.items() if values[k] > v]
    return low + high


def has_voice(completion: Completion) -> bool:
    """Whether the answer opens or closes in the persona's most frequent voice."""
    mixture = load_mixtures()[completion.persona]
    pool = load_pools()[max(mixture, key=lambda name: mixture[name])]
    opens = completion.text.startswith(tuple(f"{opener}," for opener in pool.openers))
    return opens or completion.text.endswith(pool.closers)


def is_on_topic(completion: Completion) -> bool:
    """Whether both topic words of the question are in the answer."""
    words = set(re.findall(r"[a-z]+", completion.text.lower()))
    return set(topic_words(completion.question)) <= words


def _share(hits: Iterable[bool]) -> float:
    values = list(hits)
    return sum(values) / len(values)
