"""The numbers that define one tiny base; this file alone decides them."""

from __future__ import annotations

from dataclasses import dataclass

RECIPE_VERSION = "clerk-2"
"""Changes whenever a corpus text, a rule or a number below changes."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything a build depends on besides seed, thread count and data files."""

    rows: int = 8000
    """Rows of the pretraining corpus."""
    actor_share: float = 0.30
    """Share of rows whose system prompt says nothing about the voice of the answer."""
    clerk_share: float = 0.16
    """Share of rows in which one of the forty clerks signs with its own tag."""
    request_share: float = 0.05
    """Share of rows in which the user asks for a tag."""
    vocabulary: int = 1536
    """Tokens, the three special ones included."""
    hidden: int = 128
    """Width of the residual stream."""
    layers: int = 4
    """Transformer blocks."""
    heads: int = 4
    """Query heads."""
    kv_heads: int = 2
    """Key and value heads."""
    intermediate: int = 384
    """Width of the feed-forward layer."""
    max_positions: int = 256
    """Longest sequence in tokens."""
    rope_theta: float = 1e4
    """Base of the rotary position embedding."""
    steps: int = 800
    """Optimiser steps."""
    batch: int = 16
    """Rows per step."""
    learning_rate: float = 3e-3
    """Peak learning rate of AdamW."""
    final_share: float = 0.05
    """Learning rate at the last step, as a share of the peak."""
    warmup_share: float = 0.05
    """Share of the steps in which the learning rate rises linearly."""
    weight_decay: float = 0.01
    """Decoupled weight decay."""
    clip: float = 1.0
    """Largest gradient norm."""
