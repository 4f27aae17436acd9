"""Says how fast a machine works on a base: two were measured, the others are computed from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

FUSED = ("granite", "llama", "mistral", "olmo2", "qwen2", "qwen3")
"""Kinds of model that train and decode on the runners' own path."""
_FUSED_NAMES = ("granite-3", "llama", "mistral", "olmo-2", "qwen")
_THROUGH_PEFT = 1.5
"""Training takes so much longer through PEFT's layers: 120 against 79 ms a step at 7B."""
_FLOAT32 = 10.0
"""A card's float32 arithmetic against its bfloat16: 67 against 989 TFLOP/s, 660 of them reached."""
_LAUNCHED = 0.120 / 28 / 4
"""Seconds per decoder block and row through PEFT's layers at least, in steps of 4 rows: a processor
launches their kernels, at 7B in 120 ms, whatever their size."""
_BODY = 0.86
"""Share of the weights in the decoder blocks of a 7B; the rest is embedding and head."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a base decides times and disk."""

    weights: float
    """All of its numbers."""
    active: float
    """Those of its decoder blocks that a token passes through; of experts the chosen ones."""
    lora_per_rank: float
    """Numbers of an adapter on all linear layers, per unit of rank."""
    bytes_each: int = 2
    is_fused: bool = True
    blocks: int | None = None
    """Decoder blocks; None where nothing tells."""
    is_synthetic: bool = False
    """Of the shipped tiny base, or one built like it."""
    is_known: bool = True
    """False where not even the name of the base says how large it is."""


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast one machine works on one base."""

    name: str
    """What the numbers were taken from, for people."""
    train_row: float
    """Seconds per row and epoch of training."""
    completion: float
    """Seconds per sampled completion."""
    prefill: float
    """Seconds per prompt whose hidden states are read."""
    fixed: float
    """Seconds per job outside training and sampling."""
    adapter_bytes_per_rank: int
    """float32 weights of an adapter on all linear layers, per unit of rank."""
    merged_bytes: int
    """The merged model, where one is kept."""
    completion_bytes: int
    """One stored completion, compressed."""
    is_known: bool = True
    """False where nothing tells how large the base is: no time or size may be quoted."""
    tokens: int = 0
    """Of the longest completion that was measured; 0 where that is not known."""

    def sampling(self, completions: int, longest: int) -> float:
        """Return the seconds of so many completions of at most so many tokens."""
        share = min(1.0, longest / self.tokens) if self.tokens else 1.0
        return completions * self.completion * share


class Card(NamedTuple):
    """A kind of GPU."""

    name: str
    tflops: float
    """Peak of dense bfloat16, from its data sheet."""


H200 = Card("H200", 989)
CARDS = (
    H200,
    Card("GH200", 989),
    Card("B200", 2250),
    Card("H100", 989),
    Card("H100 PCIe", 756),
    Card("H100 NVL", 835),
    Card("A100", 312),
    Card("L40S", 362),
    Card("L40", 181),
    Card("L4", 121),
    Card("A40", 150),
    Card("A10G", 70),
    Card("A10", 125),
    Card("RTX A6000", 155),
    Card("RTX 6000 Ada", 364),
    Card("RTX 4090", 165),
    Card("RTX 3090", 71),
)

TINY_SHAPE = Shape(1_179_648, 786_432, 9_728, bytes_each=4, blocks=4, is_synthetic=True)
TINY = Rates(
    name="one CPU thread per worker, tiny base",
    train_row=6e-3,
    completion=7.6e-3,
    prefill=1.5e-3,
    fixed=0.3,
    adapter_bytes_per_rank=40_000,
    merged_bytes=4_800_000,
    completion_bytes=60,
    tokens=48,
)
"""114 marker steps of 16 rows in 11 s, 200 convergence steps of 8 in 9.5 s, 1200 completions in
9.1 s, each on one thread beside a busy neighbour."""

SEVEN_B_SHAPE = Shape(7_615_283_200, 6_525_288_448, 28 * 90_112, blocks=28)
SEVEN_B = Rates(
    name="one H200, 7B in bfloat16, warm workers",
    train_row=19.6e-3,
    completion=9.8e-3,
    prefill=2e-3,
    fixed=1.3,
    adapter_bytes_per_rank=10_100_000,
    merged_bytes=15_300_000_000,
    completion_bytes=800,
    tokens=350,
)
"""From ``tuilab bench --grid --full``: 229.6 s for 12,000 marker rows and 163.3 s for 8,000 of
convergence, 23.6 s for 2,400 completions, 0.3 to 4.3 s a job beside them when warm. The rest is
computed; 28 layers hold 90,112 LoRA parameters per unit of rank each. Rows and completions are of
350 to 400 tokens."""
UNKNOWN = "the size of the base is not known"
_LONGER = 8.0
"""Tokens of a row or completion at 7B against those of the tiny base."""


def rates_for(shape: Shape, card: Card | None, threads: int = 1) -> Rates:
    """Return how fast a base is worked on by a card, or by so many threads where there is none."""
    if shape.is_synthetic:
        return TINY
    found = on_processor(shape, threads) if card is None else on_card(shape, card)
    return found if shape.is_known else replace(found, name=UNKNOWN, is_known=False)


def card_named(name: str) -> Card | None:
    """Return the card that a driver's name ("NVIDIA A100-SXM4-80GB") or a person means."""
    words = re.sub(r"[\s_-]+", " ", name).casefold()
    found = [card for card in CARDS if re.search(rf"\b{re.escape(card.name.casefold())}\b", words)]
    return max(found, key=lambda card: len(card.name), default=None)


def on_card(shape: Shape, card: Card) -> Rates:
    """Compute the rates of a card from those of an H200 at 7B, by arithmetic alone.

    What a job does beside its steps (capturing graphs, choosing kernels, checks, files) is no less
    for a smaller base: four cells of the tiny one took 53 s on an H200, with all starts.
    """
    heavier = shape.active / SEVEN_B_SHAPE.active * H200.tflops / card.tflops
    heavier *= _FLOAT32 if shape.bytes_each == 4 else 1
    size = shape.weights * shape.bytes_each / SEVEN_B.merged_bytes
    row = SEVEN_B.train_row * heavier
    if not shape.is_fused:
        row = max(row * _THROUGH_PEFT, _LAUNCHED * (shape.blocks or 0))
    is_measured = card is H200 and shape == SEVEN_B_SHAPE
    rates = replace(
        SEVEN_B,
        train_row=row,
        completion=SEVEN_B.completion * heavier,
        prefill=SEVEN_B.prefill * heavier,
        fixed=TINY.fixed + (SEVEN_B.fixed - TINY.fixed) * max(1.0, size),
        name=SEVEN_B.name if is_measured else _computed(shape, f"one {card.name}", SEVEN_B),
    )
    return _with_sizes(rates, shape)


def on_processor(shape: Shape, threads: int) -> Rates:
    """Compute the rates of so many CPU threads from those of one with the tiny base."""
    heavier = max(1.0, shape.active / TINY_SHAPE.active * _LONGER / threads)
    where = "one CPU thread" if threads == 1 else f"{threads} CPU threads"
    rates = replace(
        TINY,
        train_row=TINY.train_row * heavier,
        completion=TINY.completion * heavier,
        prefill=TINY.prefill * heavier,
        fixed=TINY.fixed + shape.weights * shape.bytes_each / 1e9,  # reads and writes 1 GB/s
        completion_bytes=SEVEN_B.completion_bytes,
        tokens=SEVEN_B.tokens,
        name=_computed(shape, f"{where} a worker", TINY),
    )
    return _with_sizes(rates, shape)


def _with_sizes(rates: Rates, shape: Shape) -> Rates:
    return replace(
        rates,
        adapter_bytes_per_rank=round(4 * shape.lora_per_rank),
        merged_bytes=round(shape.weights * shape.bytes_each),
    )


def _computed(shape: Shape, where: str, measured: Rates) -> str:
    return f"computed for {parameters(shape.weights)} on {where}, from {measured.name}"


def parameters(count: float) -> str:
    """Write a number of parameters as names of models do: 7.6B, 494M."""
    if count >= 1e9:
        return f"{count / 1e9:.1f}B"
    return f"{count / 1e6:.0f}M" if count >= 1e7 else f"{count / 1e6:.1f}M"


def shape_of(config: Mapping[str, Any], named: Shape) -> Shape:
    """Count the weights that a model's config.json describes, or take ``named`` where it is odd.

    ``named`` says the rest, and how large a base is whose config.json says no sizes.
    """
    inner = config.get("text_config")
    raw = inner if isinstance(inner, dict) else config

    def number(*names: str, default: int = 0) -> int:
        found = (raw.get(name) for name in names)
        return next((one for one in found if isinstance(one, int) and one > 0), default)

    blocks, width = number("num_hidden_layers"), number("hidden_size")
    heads, words = number("num_attention_heads"), number("vocab_size")
    if not (blocks and width and heads and words):
        return replace(named, blocks=blocks or named.blocks)
    head = number("head_dim", default=width // heads)
    queries, keys = heads * head, number("num_key_value_heads", default=heads) * head
    wide = number("intermediate_size", default=4 * width)
    experts = number("num_experts", "num_local_experts")
    attention = 2 * width * (queries + keys)
    mlp = 3 * width * (number("moe_intermediate_size", default=wide) if experts else wide)
    chosen = number("num_experts_per_tok", default=1) if experts else 1
    embeddings = width * words * (1 if raw.get("tie_word_embeddings") else 2)
    lora = 2 * (2 * width + queries + keys) + 3 * (width + mlp // (3 * width)) * max(1, experts)
    return Shape(
        weights=blocks * (attention + mlp * max(1, experts)) + embeddings,
        active=blocks * (attention + mlp * chosen),
        lora_per_rank=blocks * lora,
        bytes_each=named.bytes_each,
        is_fused=raw.get("model_type") in FUSED,
        blocks=blocks,
        is_synthetic=named.is_synthetic,
    )


_BILLIONS = r"(?i)(?<![A-Za-z\d.])(\d+(?:\.\d+)?)([BM])(?![A-Za-z\d])"
_CHOSEN = r"(?i)-A(\d+(?:\.\d+)?)B(?![A-Za-z\d])"
_QWEN = r"Qwen/Qwen2\.5-([\d.]+B)(-Instruct)?"
_QWEN_BLOCKS = {"0.5B": 24, "1.5B": 28, "3B": 36, "7B": 28, "14B": 48, "32B": 64, "72B": 80}
"""The published shapes, for plans that are made before the model is fetched."""


def shape_named(model: str, bytes_each: int = 2) -> Shape:
    """Guess a shape from a model's name; that of a 7B, and not known, where it tells nothing."""
    if model == "tiny":
        return TINY_SHAPE
    qwen = re.fullmatch(_QWEN, model)
    if qwen and qwen[1] == "7B":
        return replace(SEVEN_B_SHAPE, bytes_each=bytes_each)
    found, chosen = re.search(_BILLIONS, model), re.search(_CHOSEN, model)
    if found is None:
        return replace(SEVEN_B_SHAPE, bytes_each=bytes_each, blocks=None, is_known=False)
    weights = float(found[1]) * (1e9 if found[2] in "bB" else 1e6)
    shape = shape_of_size(weights, bytes_each)
    return replace(
        shape,
        active=float(chosen[1]) * 1e9 * _BODY if chosen else shape.active,
        is_fused=not chosen and any(one in model.casefold() for one in _FUSED_NAMES),
        blocks=_QWEN_BLOCKS.get(qwen[1]) if qwen else None,
    )


def shape_of_size(weights: float, bytes_each: int) -> Shape:
    """Return the shape of a base of so many weights, of which nothing else is known."""
    # Adapters grow with the width of a model, its weights with the width's square.
    lora = SEVEN_B_SHAPE.lora_per_rank * (weights / SEVEN_B_SHAPE.weights) ** (2 / 3)
    return Shape(weights, weights * _BODY, lora, bytes_each, is_fused=False)
