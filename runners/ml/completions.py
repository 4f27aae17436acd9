"""The sampler protocol: prompts in, completions with finish reasons out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

from runners.ml.stage_settings import SamplingSettings
from tuilab.contract.scoring import LENGTH, STOP

if TYPE_CHECKING:
    from transformers.modeling_utils import PreTrainedModel
    from transformers.tokenization_utils_base import PreTrainedTokenizerBase

Progress = Callable[[int, int], None]
"""``progress(done, of)`` gets the number of completions, and may raise; ``done`` never falls, and
is ``of`` once the last completion has ended."""


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

    @property
    def name(self) -> str:
        """Recorded with the results."""
        ...

    def sample(
        self, prompts: Sequence[Sequence[int]], settings: SamplingSettings, progress: Progress
    ) -> list[Completion]:
        """Return completions in the order of the prompts (token ids)."""
        ...


def sample_batches(
    prompts: Sequence[Sequence[int]],
    settings: SamplingSettings,
    generate: Callable[[Sequence[Sequence[int]], Callable[[int, int], None]], list[list[int]]],
    progress: Progress,
) -> list[list[int]]:
    """Generate new tokens batch by batch, in the given order; each batch has its own seed.

    ``generate(batch, after_check)`` may call ``after_check(running, new_tokens)`` between tokens.
    """
    found: list[list[int]] = []
    for number, start in enumerate(range(0, len(prompts), settings.batch_size)):
        batch = prompts[start : start + settings.batch_size]
        begun = start + len(batch)

        def after_check(running: int, tokens: int, begun: int = begun) -> None:
            progress(counted(begun, running, tokens, settings.max_new_tokens), len(prompts))

        torch.manual_seed(batch_seed(settings.seed, number))
        found += generate(batch, after_check)
        progress(len(found), len(prompts))
    return found


def counted(begun: int, running: int, tokens: int, limit: int) -> int:
    """Count completions for progress; a running one counts by its share of the limit.

    Hundreds decode at once and end late: counting only ended ones would report nothing for minutes.
    ``tokens`` is what each running one has. No length is guessed, so the count never falls.
    """
    return begun - running + running * tokens // limit


def batch_seed(seed: int, batch: int) -> int:
    """Give every batch its own random numbers, so that batches do not depend on one another."""
    return (seed * 1_000_003 + batch) % (2**63)


def stop_tokens(model: PreTrainedModel) -> frozenset[int]:
    """Return the tokens that end an answer."""
    config: Any = model.generation_config
    return frozenset(config.eos_token_id)


def read_completions(
    generated: Sequence[Sequence[int]], stops: frozenset[int], tokenizer: PreTrainedTokenizerBase
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
    for position, token in enumerate(line):
        if token in stops:
            return list(line[:position]), True
    return list(line), False
