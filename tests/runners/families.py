"""Random bases in the shapes of several families, with templates shaped like theirs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from runners.tinybase import locate

TURNS = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content "
    "+ '<|im_end|>\\n' }}{%- endfor %}"
)
PROMPT = "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
PLAIN = TURNS + PROMPT
TEMPLATES = {
    "Llama 3": (
        "{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y') %}"
        "{%- endif %}" + TURNS.replace("message.content", "message.content | trim") + PROMPT
    ),
    "Llama 3 with a date": (
        "{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y') %}"
        "{%- endif %}{{- 'Today Date: ' + date_string + '\\n' }}" + PLAIN
    ),
    "a clock": "{{- 'Today is ' + strftime_now('%H:%M:%S') }}" + PLAIN,
    "Qwen3": PLAIN.replace(
        "assistant\\n' }}",
        "assistant\\n' }}{%- if enable_thinking is defined and enable_thinking is false %}"
        "{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}",
    ),
    "Gemma 2": (
        "{%- if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}"
        "{%- endif %}" + PLAIN.replace("im_start", "start_of_turn").replace("im_end", "end_of_turn")
    ),
    "Gemma 3": PLAIN.replace("im_start", "start_of_turn").replace("im_end", "end_of_turn"),
    "drops the system role": PLAIN.replace(
        "in messages", "in messages if message.role != 'system'"
    ),
    "OLMo": (
        "{%- for message in messages %}{{- '<|' + message.role + '|>\\n' + message.content }}"
        "{%- if message.role == 'assistant' %}{{- eos_token }}{%- endif %}{{- '\\n' }}"
        "{%- endfor %}{%- if add_generation_prompt %}{{- '<|assistant|>\\n' }}{%- endif %}"
    ),
    "plain words": (
        "{%- for message in messages %}{{- message.role + ': ' + message.content + '\\n' }}"
        "{%- endfor %}{%- if add_generation_prompt %}{{- 'assistant: ' }}{%- endif %}"
    ),
    "no generation prompt": TURNS,
    "no template": None,
    "too large a range": "{%- for one in range(10**9) %}{% endfor %}",
    "half a template": "{%- for message in messages %}{{ message.role ",
}


@dataclass(frozen=True)
class Family:
    """What is odd in a family, and what ``[base]`` and the adapters have to say for it."""

    template: str
    shape: dict[str, Any] = field(default_factory=dict)
    base: dict[str, Any] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    """Modules to adapt where the usual seven are not all there."""


ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
GEMMA = {"head_dim": 16, "sliding_window": 8, "query_pre_attn_scalar": 16}
MIXTURE = {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 16}
FAMILIES = {
    "llama": Family("Llama 3"),
    "qwen2": Family("Llama 3"),
    "qwen3": Family("Qwen3", {"head_dim": 16}, {"template_args": {"enable_thinking": False}}),
    "gemma2": Family("Gemma 2", GEMMA, {"system": "fold"}),
    "gemma3_text": Family("Gemma 3", GEMMA),
    "phi3": Family("OLMo", modules=("qkv_proj", "o_proj", "gate_up_proj", "down_proj")),
    "mistral": Family("OLMo", {"sliding_window": 8}),
    "olmo2": Family("OLMo"),
    "granite": Family("OLMo", {"attention_multiplier": 0.3, "residual_multiplier": 0.5}),
    "mixtral": Family("OLMo", {"num_local_experts": 2}, modules=ATTENTION),
    "qwen3_moe": Family("Qwen3", MIXTURE, {"template_args": {"enable_thinking": False}}, ATTENTION),
}


def tokenizer_with(template: str | None) -> Any:
    """Return the tiny base's tokenizer with another template and the turns of Gemma."""
    tokenizer = AutoTokenizer.from_pretrained(locate.shipped_dir())
    own = ["<|start_of_turn|>", "<|end_of_turn|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": own})
    tokenizer.chat_template = template
    return tokenizer


def write_base(directory: Path, name: str) -> None:
    """Write a random base of a family."""
    family = FAMILIES[name]
    tokenizer = tokenizer_with(TEMPLATES[family.template])
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        name,
        **{
            "vocab_size": len(tokenizer),
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "intermediate_size": 128,
            "max_position_embeddings": 256,
            "tie_word_embeddings": False,
            "initializer_range": 0.1,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            **family.shape,
        },
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
