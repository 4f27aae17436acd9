"""What a base of the Llama shape adds to it: read from its config and its layers, and checked.

Llama, Mistral, Qwen2 and Qwen3 have norms before a block's two halves, RoPE, grouped query heads
and SwiGLU; they differ in biases, in norms of the heads, and in how far a layer sees. Granite
multiplies in four places, and OLMo 2 has its norms behind the halves and over all queries and keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peft.tuners.lora.layer import Linear as LoraLinear
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers import (
    GraniteForCausalLM,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Olmo2ForCausalLM,
    Qwen2ForCausalLM,
    Qwen3ForCausalLM,
)

from runners.fast.attention import Scores

BASES = (
    GraniteForCausalLM,
    LlamaForCausalLM,
    MistralForCausalLM,
    Olmo2ForCausalLM,
    Qwen2ForCausalLM,
    Qwen3ForCausalLM,
)
"""What ``Decoder`` computes exactly; a subclass may differ, so it is none of them."""
_BEFORE = ("input_layernorm", "post_attention_layernorm")
_AFTER = ("post_attention_layernorm", "post_feedforward_layernorm")
_ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}
_QK_NORMS = {"q_norm", "k_norm"}
_PARTS = {
    "": ({"self_attn", "mlp", *_BEFORE}, {"self_attn", "mlp", *_AFTER}),
    "self_attn": (_ATTENTION, _ATTENTION | _QK_NORMS),
    "mlp": ({"gate_proj", "up_proj", "down_proj", "act_fn"},),
}
"""The sets of submodules that a layer may have."""
_FIXED_ROPE = {"default", "linear", "llama3", "yarn"}
"""Kinds of RoPE whose angles depend on the position alone, not on the length of the batch."""


@dataclass(frozen=True, slots=True)
class LlamaShape:
    """What a base has, as data.

    The residual stream is kept divided by the base's multiplier of what is added to it: an addition
    needs no product, and a norm does not see the factor, its epsilon divided by the square.
    """

    heads: int
    kv_heads: int
    width: int
    """Of a head."""
    eps: float
    """Of a norm over queries, keys or what a half adds."""
    stream_eps: float
    """Of a norm over the residual stream."""
    norms: tuple[str, str]
    """The norms of a layer, in their order."""
    norms_after: bool
    """True where a norm is over what a half adds, False where it is over what it reads."""
    embedding_scale: float
    """Of the embeddings, on their way into the residual stream."""
    logits_divisor: float


def shape_of(causal_lm: Any) -> LlamaShape:
    """Describe a base; ask ``why_not`` first."""
    config, model = causal_lm.config, causal_lm.model
    first = model.layers[0]
    residual = _residual(first)
    after = hasattr(first, _AFTER[1])
    return LlamaShape(
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        width=_width(config),
        eps=config.rms_norm_eps,
        stream_eps=config.rms_norm_eps / residual**2,
        norms=_AFTER if after else _BEFORE,
        norms_after=after,
        embedding_scale=getattr(model, "embedding_multiplier", 1.0) / residual,
        logits_divisor=getattr(config, "logits_scaling", 1.0),
    )


def scores_of(layer: Any, config: Any) -> Scores:
    """Return how a layer's tokens score others.

    Mistral's layers read the window of the config, the others keep their own.
    """
    owner = config if isinstance(config, MistralConfig) else layer.self_attn
    return Scores(layer.self_attn.scaling, getattr(owner, "sliding_window", None))


def causal_lm(model: Any) -> Any:
    """Return the causal LM inside PEFT's wrappers, or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def why_not(model: Any) -> str | None:
    """Return why a model cannot be run by ``Decoder``, or None when it can."""
    inner = causal_lm(model)
    if type(inner) not in BASES:
        return f"{type(inner).__name__} is none of {', '.join(one.__name__ for one in BASES)}"
    config = inner.config
    if config.hidden_act != "silu" or config.attention_dropout:
        return "the model has another activation, or attention dropout"
    kind = (config.rope_parameters or {}).get("rope_type", "default")
    if kind not in _FIXED_ROPE or 2 * len(inner.model.rotary_emb.inv_freq) != _width(config):
        return f"its RoPE ({kind}) depends on the length, or turns a part of each head"
    layers = inner.model.layers
    if reason := next(
        (reason for layer in layers if (reason := _why_not_parts(layer, config))), None
    ):
        return reason
    if len({(hasattr(layer, _AFTER[1]), _residual(layer)) for layer in layers}) > 1:
        return "its layers differ in their norms or multipliers"
    tuned = (m for m in inner.modules() if isinstance(m, BaseTunerLayer))
    return next((reason for layer in tuned if (reason := _why_not_adapter(layer))), None)


def _why_not_parts(layer: Any, config: Any) -> str | None:
    for name, allowed in _PARTS.items():
        found = {child for child, _ in layer.get_submodule(name).named_children()}
        if found not in allowed:
            odd = min((found ^ parts for parts in allowed), key=len)
            return f"a layer has other parts than the Llama shape: {sorted(odd)}"
    if not _residual(layer) > 0:
        return "a layer multiplies what it adds by zero or less"
    norms = [m for m in layer.modules() if hasattr(m, "variance_epsilon")]
    if {norm.variance_epsilon for norm in norms} != {config.rms_norm_eps}:
        return "the norms of a layer have another epsilon than the config says"
    return None


def _why_not_adapter(layer: BaseTunerLayer) -> str | None:
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


def _residual(layer: Any) -> float:
    """The multiplier of what a layer's halves add to the residual stream."""
    return float(getattr(layer, "residual_multiplier", 1.0))


def _width(config: Any) -> int:
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(width)
