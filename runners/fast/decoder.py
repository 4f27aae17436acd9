"""A Qwen2 model's layers over packed tokens, reading its own weights and live adapters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.lora.layer import Linear as LoraLinear
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers import Qwen2ForCausalLM

from runners.fast import ops
from runners.fast.fused_lora import Group

Attend = Callable[
    [int, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor
]
"""(layer, q [t, heads, d], k and v [t, kv heads, d], where) -> [t, heads, d], or its rows there."""


class Block:
    """One decoder layer as four grouped matrix products."""

    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.qkv = Group([attention.q_proj, attention.k_proj, attention.v_proj])
        self.out = Group([attention.o_proj], roomy=True)
        self.gate_up = Group([mlp.gate_proj, mlp.up_proj])
        self.down = Group([mlp.down_proj], roomy=True)
        self.before_attention: torch.Tensor = layer.input_layernorm.weight.data
        self.before_mlp: torch.Tensor = layer.post_attention_layernorm.weight.data

    @property
    def groups(self) -> tuple[Group, ...]:
        """In the order of the forward pass."""
        return self.qkv, self.out, self.gate_up, self.down


class Trunk:
    """Everything below the head. While it lives, the model's weights are views into its groups."""

    def __init__(self, model: Any, kernels: bool = True) -> None:
        self.model = causal_lm(model)
        config = self.model.config
        self.device: torch.device = self.model.lm_head.weight.device
        self.heads: int = config.num_attention_heads
        self.kv_heads: int = config.num_key_value_heads
        self.eps: float = config.rms_norm_eps
        self.blocks = [Block(layer) for layer in self.model.model.layers]
        self._gradients = [pair for group in self._groups() for pair in group.gradients()]
        norms = [block.before_attention for block in self.blocks[1:]]
        self._next_norms = [*norms, self.model.model.norm.weight.data]
        self._steps = ops.for_device(self.device.type) if kernels else ops.PLAIN
        self.refresh = self._steps.placement([c for g in self._groups() for c in g.copies()])
        """Takes up the adapters' present values; they must stay where they are in memory."""
        self.refresh()

    def __call__(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        attend: Attend,
        where: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the normed hidden states at ``where``, [n, hidden]; None means everywhere.

        ids and positions are [t]. Past the last attention only the positions in ``where`` are
        computed: nothing else depends on the others.
        """
        x = self.model.model.embed_tokens(ids)
        cos, sin = (part[0] for part in self.model.model.rotary_emb(x[None], positions[None]))
        cos, sin = self._steps.spread(cos, sin, self.heads)
        h = self._steps.norm(x, self.blocks[0].before_attention, self.eps, self.blocks[0].qkv.rank)
        rooms = [*(block.qkv.rank for block in self.blocks[1:]), 0]
        for index, block in enumerate(self.blocks):
            q, k, v = self._steps.rotate(block.qkv(h), cos, sin, self.heads, self.kv_heads)
            last = where if index == len(self.blocks) - 1 else None
            seen = attend(index, q, k, v, last).flatten(1)
            if last is not None:
                x = x.index_select(0, last)
            x, h = self._steps.add_norm(
                x, block.out(seen), block.before_mlp, self.eps, block.gate_up.rank
            )
            change = block.down(self._steps.swiglu(block.gate_up(h)))
            x, h = self._steps.add_norm(x, change, self._next_norms[index], self.eps, rooms[index])
        return h

    def attach_gradients(self) -> None:
        """Let each trained weight's ``grad`` be the memory the groups add to.

        A ``grad`` that was set to None counts as zero, as in autograd.
        """
        fresh = []
        for parameter, memory in self._gradients:
            if parameter.grad is None:
                fresh.append(memory)
            elif parameter.grad is not memory:
                memory.copy_(parameter.grad)
            parameter.grad = memory
        if fresh:
            torch._foreach_zero_(fresh)

    def release(self) -> None:
        """Give the model weights of its own again."""
        for group in self._groups():
            group.release()

    def _groups(self) -> Iterator[Group]:
        for block in self.blocks:
            yield from block.groups


@contextmanager
def on(model: Any, kernels: bool = True) -> Iterator[Trunk]:
    """Build a trunk for as long as the block runs; costs one copy of the weights each way."""
    trunk = Trunk(model, kernels)
    try:
        yield trunk
    finally:
        trunk.release()


def causal_lm(model: Any) -> Any:
    """Return the causal LM inside PEFT's wrappers, or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def why_not(model: Any) -> str | None:
    """Say why a model cannot be run by a trunk, or None when it can."""
    inner = causal_lm(model)
    if not isinstance(inner, Qwen2ForCausalLM):
        return f"{type(inner).__name__} is not a Qwen2 model"
    config = inner.config
    if config.hidden_act != "silu" or config.attention_dropout:
        return "the model has another activation, or attention dropout"
    if set(config.layer_types) != {"full_attention"}:
        return "some layers attend to a sliding window only"
    tuned = (m for m in inner.modules() if isinstance(m, BaseTunerLayer))
    return next((reason for layer in tuned if (reason := _why_not_layer(layer))), None)


def _why_not_layer(layer: BaseTunerLayer) -> str | None:
    if not isinstance(layer, LoraLinear):
        return f"{type(layer).__name__} is not a LoRA of a linear layer"
    if layer.lora_variant or any(layer.lora_bias.values()) or layer.fan_in_fan_out:
        return "an adapter is a LoRA variant or has a bias"
    if layer.merged or layer.disable_adapters:
        return "an adapter is merged or switched off"
    if any(
        not isinstance(drop, nn.Identity) and drop.p > 0 for drop in layer.lora_dropout.values()
    ):
        return "an adapter has dropout, whose masks differ from layer to layer"
    return None
