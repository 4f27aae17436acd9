"""Samples through our own decoding loop, where the model is one it can run."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from runners.fast import decoder, generation
from runners.fast.generation import Rules
from runners.fast.sampling import Choice
from runners.ml.completions import Completion, batch_seed, counted, read_completions, stop_tokens
from runners.ml.stage_settings import SamplingPlan


def can_run(model: PreTrainedModel) -> bool:
    """True when the loop computes what transformers' generate would."""
    return decoder.why_not(model) is None


class TrunkSampler:
    """One pass per token over the rows that still run; every different prompt is read once."""

    name = "trunk"

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._stops = stop_tokens(model)

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        plan: SamplingPlan,
        after_batch: Callable[[int, int], None],
    ) -> list[Completion]:
        """Sample batch by batch in the given order; each batch has its own seed.

        Not under inference mode: the trunk hands weights back that are trained on later.
        """
        rules = Rules(stops=self._stops, limit=plan.max_new_tokens)
        choice = Choice(plan.temperature, plan.top_p, plan.top_k)
        found: list[Completion] = []
        with torch.no_grad(), decoder.on(self._model) as layers:
            for number, start in enumerate(range(0, len(prompts), plan.batch_size)):
                batch = prompts[start : start + plan.batch_size]
                after_look = _told(after_batch, start + len(batch), len(prompts), rules)
                torch.manual_seed(batch_seed(plan.seed, number))
                made = generation.complete(layers, batch, rules, choice, after_look)
                found += read_completions(made, self._stops, self._tokenizer)
                after_batch(len(found), len(prompts))
        return found


def _told(
    after_batch: Callable[[int, int], None], begun: int, of: int, rules: Rules
) -> Callable[[int], None]:
    """Return what the loop calls with the rows that still run, at every look at one batch."""
    looks = itertools.count(1)

    def after_look(running: int) -> None:
        tokens = next(looks) * rules.look_every
        after_batch(counted(begun, running, tokens, rules.limit), of)

    return after_look
