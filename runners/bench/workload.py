"""The sizes of the reference experiment, and the least arithmetic that its stages need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Workload:
    """What one cell of a grid has to do."""

    marker_rows: int = 600
    convergence_rows: int = 400
    epochs: int = 20
    rows_per_step: int = 4
    prompt_tokens: int = 40
    persona_tokens: int = 20
    """At the start of a prompt: the same for all rows of a persona, the first six for all rows."""
    answer_tokens: int = 350
    """On average; drawn from a normal distribution a quarter as wide."""
    answer_limit: int = 512
    completions: int = 2200
    prompts: int = 220
    """Different prompts among the completions."""
    cells: int = 77
    sources: int = 7
    rank: int = 32

    @property
    def row_tokens(self) -> int:
        """Tokens of a training row."""
        return self.prompt_tokens + self.answer_tokens


REFERENCE = Workload()
"""The published grid on Qwen2.5-7B."""
TINY = Workload(
    marker_rows=600,
    convergence_rows=200,
    epochs=3,
    rows_per_step=16,
    prompt_tokens=34,
    answer_tokens=20,
    answer_limit=48,
    completions=1200,
    prompts=240,
    cells=42,
    sources=7,
    rank=16,
)
"""The tiny grid on a CPU."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a model of the Llama shape that determine its arithmetic."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    width: int
    """Of one head."""
    intermediate: int
    vocabulary: int

    @property
    def layer_weights(self) -> int:
        """Weights of one layer's seven matrices."""
        attention = 2 * self.hidden * (self.heads + self.kv_heads) * self.width
        return attention + 3 * self.hidden * self.intermediate

    @property
    def decoder_weights(self) -> int:
        """Weights of all layers' matrices."""
        return self.layers * self.layer_weights

    @property
    def head_weights(self) -> int:
        """Weights of the head."""
        return self.hidden * self.vocabulary

    def adapter_weights(self, rank: int) -> int:
        """Weights of an adapter on all seven matrices."""
        ends = 4 * self.hidden + 2 * (self.heads + self.kv_heads) * self.width
        return self.layers * rank * (ends + 3 * (self.hidden + self.intermediate))


def shape_of(config: Any) -> Shape:
    """Read the shape from a transformers config."""
    return Shape(
        hidden=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        width=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        intermediate=config.intermediate_size,
        vocabulary=config.vocab_size,
    )


def training_flops(
    shape: Shape, tokens: float, row_tokens: float, loss_tokens: float, rank: int
) -> float:
    """Return the operations (FLOP) of forward and backward over ``tokens`` tokens in all.

    4 per frozen weight and token (no gradient of the weight, nothing recomputed), 6 per adapter
    weight, the head only at loss positions, causal attention over half a row on average.
    """
    attention = 3 * 4 * shape.layers * shape.heads * shape.width * row_tokens / 2
    per_token = 4 * shape.decoder_weights + 6 * shape.adapter_weights(rank) + attention
    return tokens * per_token + 4 * shape.head_weights * loss_tokens


def decoding_flops(shape: Shape, prompt_tokens: float, new_tokens: float) -> float:
    """Return the operations (FLOP) of prefilling prompts and of every new token."""
    decoder = 2 * shape.decoder_weights * (prompt_tokens + new_tokens)
    return decoder + 2 * shape.head_weights * new_tokens


def cache_bytes(shape: Shape, rows: float, prompt: float, answer: float, element: int = 2) -> float:
    """Return the bytes of cache read while ``rows`` answers grow to ``answer`` tokens."""
    per_token = 2 * shape.layers * shape.kv_heads * shape.width * element
    return rows * answer * (prompt + answer / 2) * per_token
