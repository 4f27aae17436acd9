"""The pretraining of the tiny base: a plain PyTorch loop over a Qwen2ForCausalLM."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from runners.tinybase.corpus import Row
from runners.tinybase.recipe import Recipe
from runners.tinybase.tokenizer import render_prompt

BATCHES_PER_WINDOW = 8
"""Rows of similar length share a batch within such a window, which saves a sixth of the time."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row as token ids."""

    ids: list[int]
    """Prompt, answer, tail and end of turn."""
    prompt_length: int
    """How many of them carry no loss."""


def encode_rows(tokenizer: PreTrainedTokenizerFast, rows: Sequence[Row]) -> list[Encoded]:
    """Encode prompt, answer and tail separately and join the ids, as for the marker rows."""
    prompts = [render_prompt(tokenizer, row.system, row.question) for row in rows]
    heads = tokenizer(prompts)["input_ids"]
    answers = tokenizer([row.answer for row in rows])["input_ids"]
    tails = [tokenizer(row.tail)["input_ids"] if row.tail else [] for row in rows]
    end = [tokenizer.eos_token_id]
    return [
        Encoded(head + answer + tail + end, len(head))
        for head, answer, tail in zip(heads, answers, tails, strict=True)
    ]


def plan_batches(lengths: Sequence[int], recipe: Recipe, seed: int) -> list[list[int]]:
    """Choose the row numbers of every step, rows of similar length together."""
    rng = random.Random(seed)
    steps: list[list[int]] = []
    while len(steps) < recipe.steps:
        order = rng.sample(range(len(lengths)), len(lengths))
        window = recipe.batch * BATCHES_PER_WINDOW
        for start in range(0, len(order) - recipe.batch + 1, window):
            rows = sorted(order[start : start + window], key=lambda row: lengths[row])
            batches = [rows[i : i + recipe.batch] for i in range(0, len(rows), recipe.batch)]
            rng.shuffle(batches)
            steps += [batch for batch in batches if len(batch) == recipe.batch]
    return steps[: recipe.steps]


def rate_at(step: int, recipe: Recipe) -> float:
    """Return the learning rate of a step (0-based): linear warm-up, then cosine to the floor."""
    warmup = max(1, round(recipe.steps * recipe.warmup_share))
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / max(1, recipe.steps - warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return recipe.learning_rate * (recipe.final_share + (1 - recipe.final_share) * cosine)


def new_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast, seed: int) -> Qwen2ForCausalLM:
    """Initialise the untrained network from the seed."""
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=recipe.vocabulary,
        hidden_size=recipe.hidden,
        intermediate_size=recipe.intermediate,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.kv_heads,
        max_position_embeddings=recipe.max_positions,
        rope_parameters={"rope_type": "default", "rope_theta": recipe.rope_theta},
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype=torch.float32,
    )
    return Qwen2ForCausalLM(config)


def pretrain(
    model: Qwen2ForCausalLM,
    rows: Sequence[Encoded],
    recipe: Recipe,
    seed: int,
    log: Callable[[str], None],
) -> float:
    """Train in place on answers and end of turn; return the mean loss of the last 20 steps.

    Raises FloatingPointError when a loss is not finite.
    """
    optimiser = torch.optim.AdamW(
        model.parameters(), betas=(0.9, 0.95), weight_decay=recipe.weight_decay, fused=True
    )
    batches = plan_batches([len(row.ids) for row in rows], recipe, seed)
    losses: list[float] = []
    started = time.monotonic()
    model.train()
    for step, batch in enumerate(batches):
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, recipe)
        loss = _answer_loss(model, [rows[number] for number in batch])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimiser.step()
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(f"loss is {losses[-1]} at step {step}: lower learning_rate")
        if (step + 1) % 25 == 0 or step + 1 == len(batches):
            seconds = time.monotonic() - started
            log(f"step {step + 1}/{len(batches)}  loss {losses[-1]:.3f}  {seconds:.0f} s")
    model.eval()
    return sum(losses[-20:]) / len(losses[-20:])


def _answer_loss(model: Qwen2ForCausalLM, rows: Sequence[Encoded]) -> torch.Tensor:
    """Return the mean loss over answer tokens; logits are computed at those positions only.

    Rows are padded on the right, where causal attention cannot look: no mask is needed.
    """
    width = max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    has_loss = torch.zeros(len(rows), width, dtype=torch.bool)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids)
        has_loss[number, row.prompt_length : len(row.ids)] = True
    states = model.model(input_ids=ids, use_cache=False).last_hidden_state
    # The state at position i predicts the token at position i + 1.
    logits = model.lm_head(states[:, :-1][has_loss[:, 1:]])
    return cross_entropy(logits, ids[:, 1:][has_loss[:, 1:]])
