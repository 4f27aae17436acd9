"""The decoder of the Llama shape over packed tokens, with its own weights and live adapters.

Llama, Mistral, Qwen2 and Qwen3 have it: two norms before a block's two halves, RoPE, grouped query
heads, SwiGLU; they differ in biases, in norms of the heads, and in how far a layer sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.lora.layer import Linear as LoraLinear
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers import (
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2ForCausalLM,
    Qwen3ForCausalLM,
)

from runners.fast import ops
from runners.fast.fused_lora import FusedLoraLinear
from runners.fast.torch_ops import HeadNorms

SHAPES = (LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM)
"""What ``Decoder`` computes exactly; a subclass may differ, so it is none of them."""
_PARTS = {
    "": {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"},
    "self_attn": {"q_proj", "k_proj", "v_proj", "o_proj"},
    "mlp": {"gate_proj", "up_proj", "down_proj", "act_fn"},
}
"""The submodules of a layer; ``self_attn`` may have ``_HEAD_NORMS`` as well."""
_HEAD_NORMS = {"q_norm", "k_norm"}
_FIXED_ROPE = {"default", "linear", "llama3", "yarn"}
"""Kinds of RoPE whose angles depend on the position alone, not on the length of the batch."""
Attend = Callable[
    [int, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor
]
"""(layer, q [t, heads, d], k and v [t, kv heads, d], where) -> [t, heads, d], or its rows there."""


class DecoderLayer:
    """One decoder layer as four fused matrix products."""

    def __init__(self, layer: Any, config: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.window = _window(layer, config)
        """How many tokens a token sees, itself included; None: all before it."""
        self.head_norms: HeadNorms | None = None
        if hasattr(attention, "q_norm"):
            q_norm, k_norm = attention.q_norm.weight.data, attention.k_norm.weight.data
            self.head_norms = HeadNorms(q_norm, k_norm, config.rms_norm_eps)
        self.qkv = FusedLoraLinear([attention.q_proj, attention.k_proj, attention.v_proj])
        self.out = FusedLoraLinear([attention.o_proj], pads_output=True)
        self.gate_up = FusedLoraLinear([mlp.gate_proj, mlp.up_proj])
        self.down = FusedLoraLinear([mlp.down_proj], pads_output=True)
        self.input_norm: torch.Tensor = layer.input_layernorm.weight.data
        self.mlp_norm: torch.Tensor = layer.post_attention_layernorm.weight.data

    @property
    def linears(self) -> tuple[FusedLoraLinear, ...]:
        """In the order of the forward pass."""
        return self.qkv, self.out, self.gate_up, self.down


class Decoder:
    """Everything below the head. While it lives, the model's weights are views into its layers."""

    def __init__(self, model: Any, kernels: bool = True) -> None:
        self.model = causal_lm(model)
        config = self.model.config
        self.device: torch.device = self.model.lm_head.weight.device
        self.heads: int = config.num_attention_heads
        self.kv_heads: int = config.num_key_value_heads
        self.eps: float = config.rms_norm_eps
        self.width: int = _width(config)
        """Of a head."""
        self.layers = [DecoderLayer(layer, config) for layer in self.model.model.layers]
        self._gradients = [pair for linear in self._linears() for pair in linear.gradients()]
        norms = [layer.input_norm for layer in self.layers[1:]]
        self._next_norms = [*norms, self.model.model.norm.weight.data]
        self._ops = ops.for_device(self.device.type) if kernels else ops.PLAIN
        copies = [copy for linear in self._linears() for copy in linear.copies()]
        self.copy_adapters = self._ops.copy_adapters(copies)
        """Takes over the adapters' present values; their tensors must stay where they are."""
        self.copy_adapters()

    def __call__(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        attend: Attend,
        where: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the normed hidden states at ``where``, [n, hidden]; None means everywhere.

        ids and positions are [t]. After the last attention only the tokens in ``where`` are
        computed: nothing else depends on the others.
        """
        x = self.model.model.embed_tokens(ids)
        cos, sin = (part[0] for part in self.model.model.rotary_emb(x[None], positions[None]))
        cos, sin = self._ops.prepare_rope(cos, sin, self.heads)
        first = self.layers[0]
        h = self._ops.norm(x, first.input_norm, self.eps, first.qkv.rank)
        pads = [*(layer.qkv.rank for layer in self.layers[1:]), 0]
        for index, layer in enumerate(self.layers):
            q, k, v = self._ops.apply_rope(
                layer.qkv(h), cos, sin, self.heads, self.kv_heads, layer.head_norms
            )
            kept = where if index == len(self.layers) - 1 else None
            attended = attend(index, q, k, v, kept).flatten(1)
            if kept is not None:
                x = x.index_select(0, kept)
            x, h = self._ops.add_norm(
                x, layer.out(attended), layer.mlp_norm, self.eps, layer.gate_up.rank
            )
            update = layer.down(self._ops.swiglu(layer.gate_up(h)))
            x, h = self._ops.add_norm(x, update, self._next_norms[index], self.eps, pads[index])
        return h

    def attach_gradients(self) -> None:
        """Let each trained weight's ``grad`` be the memory that the fused layers add to.

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
        """Give the model's weights their own memory again."""
        for linear in self._linears():
            linear.release()

    def _linears(self) -> Iterator[FusedLoraLinear]:
        for layer in self.layers:
            yield from layer.linears


@contextmanager
def fused(model: Any, kernels: bool = True) -> Iterator[Decoder]:
    """Build a decoder for as long as the block runs; costs one copy of the weights each way."""
    decoder = Decoder(model, kernels)
    try:
        yield decoder
    finally:
        decoder.release()


def causal_lm(model: Any) -> Any:
    """Return the causal LM inside PEFT's wrappers, or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def why_not(model: Any) -> str | None:
    """Return why a model cannot be run by ``Decoder``, or None when it can."""
    inner = causal_lm(model)
    if type(inner) not in SHAPES:
        return f"{type(inner).__name__} is none of {', '.join(one.__name__ for one in SHAPES)}"
    config = inner.config
    if config.hidden_act != "silu" or config.attention_dropout:
        return "the model has another activation, or attention dropout"
    kind = (config.rope_parameters or {}).get("rope_type", "default")
    if kind not in _FIXED_ROPE or 2 * len(inner.model.rotary_emb.inv_freq) != _width(config):
        return f"its RoPE ({kind}) depends on the length, or turns a part of each head"
    for layer in inner.model.layers:
        for name, parts in _PARTS.items():
            found = {child for child, _ in layer.get_submodule(name).named_children()}
            if found not in (parts, parts | _HEAD_NORMS if name == "self_attn" else parts):
                return f"a layer has other parts than the Llama shape: {sorted(found ^ parts)}"
    tuned = (m for m in inner.modules() if isinstance(m, BaseTunerLayer))
    return next((reason for layer in tuned if (reason := _why_not_layer(layer))), None)


def _width(config: Any) -> int:
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(width)


def _window(layer: Any, config: Any) -> int | None:
    """Mistral's layers read the window of the config, the others keep their own."""
    owner = config if isinstance(config, MistralConfig) else layer.self_attn
    window: int | None = getattr(owner, "sliding_window", None)
    return window


def _why_not_layer(layer: BaseTunerLayer) -> str | None:
    if not isinstance(layer, LoraLinear):
        return f"{type(layer).__name__} is not a LoRA of a linear layer"
    if layer.lora_variant or any(layer.lora_bias.values()) or layer.fan_in_fan_out:
        return "an adapter is a LoRA variant or has a bias"
    if layer.merged or layer.disable_adapters:
        return "an adapter is merged or switched off"
    drops = (drop for drop in layer.lora_dropout.values() if not isinstance(drop, nn.Identity))
    if any(float(getattr(drop, "p", 1.0)) > 0 for drop in drops):
        return "an adapter has dropout, whose masks differ from layer to layer"
    return None
