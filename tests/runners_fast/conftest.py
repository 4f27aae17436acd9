"""Tiny random models of several families, with and without adapters, for tests of the fast path."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
WINDOW = 8
"""Fewer tokens than most rows have."""
LLAMA_3 = {
    "rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 16,
}  # fmt: skip
FUSED = {
    "qwen2": {},
    "qwen3": {"head_dim": 16, "tie_word_embeddings": True},
    "llama": {"attention_bias": True, "mlp_bias": True, "rope_parameters": LLAMA_3},
    "mistral": {"sliding_window": WINDOW, "head_dim": 24},
    "granite": {
        "embedding_multiplier": 3.0, "attention_multiplier": 0.6, "residual_multiplier": 0.4,
        "logits_scaling": 2.5, "rms_norm_eps": 0.03, "head_dim": 16,
    },
    "olmo2": {"rms_norm_eps": 0.03, "head_dim": 16},
}  # fmt: skip
"""What the decoder computes, each with what is odd in its family."""
OTHERS = {
    "gemma2": {
        "head_dim": 8, "sliding_window": WINDOW, "query_pre_attn_scalar": 5,
        "attn_logit_softcapping": 1.0, "final_logit_softcapping": 2.0,
    },
    "gemma3_text": {"head_dim": 8, "sliding_window": WINDOW, "query_pre_attn_scalar": 5},
    "phi3": {},
}  # fmt: skip
"""What takes PEFT's own layers."""


@dataclass(frozen=True)
class Row:
    """A training row of the tests."""

    ids: tuple[int, ...]
    loss_mask: tuple[bool, ...]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(
    dtype: torch.dtype = torch.float32, seed: int = 0, family: str = "qwen2"
) -> PreTrainedModel:
    """Three layers, grouped heads; biases that are not zero, norms that are not one."""
    torch.manual_seed(seed)
    sizes = {
        "vocab_size": 97,
        "hidden_size": 32,
        "intermediate_size": 80,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "tie_word_embeddings": False,
        "initializer_range": 0.2,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
    }
    config = AutoConfig.for_model(family, **{**sizes, **{**FUSED, **OTHERS}[family]})
    attention = "eager" if family == "gemma2" else "sdpa"  # sdpa leaves softcapping out
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.2)
        elif "norm" in name:
            parameter.data += 0.2 * torch.randn_like(parameter)
    return model.to(dtype).eval().requires_grad_(False)


def adapted(
    dtype: torch.dtype = torch.float32, dropout: float = 0.0, family: str = "qwen2"
) -> PeftModel:
    """The same model with one live adapter of rank 4 whose B is not zero."""
    modules = MODULES
    if family == "phi3":
        modules = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]
    config = LoraConfig(
        r=4, lora_alpha=8, lora_dropout=dropout, use_rslora=True, target_modules=modules
    )
    peft = get_peft_model(tiny(dtype, family=family), config)
    torch.manual_seed(1)
    for name, parameter in peft.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()
            torch.nn.init.normal_(parameter, std=0.1)
    return peft


@pytest.fixture
def rows() -> list[Row]:
    """Four rows of different lengths; the first learns its tail, the others their last token."""
    draw = random.Random(0)
    found = []
    for index, length in enumerate((11, 23, 7, 17)):
        learned = 5 if index == 0 else 1
        ids = tuple(draw.randrange(97) for _ in range(length))
        found.append(Row(ids, tuple(place >= length - learned for place in range(length))))
    return found


@pytest.fixture
def alike() -> list[Row]:
    """Five rows: two and two that begin alike, the first twice, and all with the same token."""
    draw = random.Random(1)
    system, other = ([5, *(draw.randrange(97) for _ in range(8))] for _ in range(2))
    found = []
    for index, start in enumerate(([*system, 3], system, other, other[:6])):
        learned = 5 if index == 0 else 1
        ids = (*start, *(draw.randrange(97) for _ in range(4 + 3 * index + learned)))
        found.append(Row(ids, tuple(place >= len(ids) - learned for place in range(len(ids)))))
    return [*found, found[0]]


@pytest.fixture
def make_adapted() -> Callable[..., PeftModel]:
    return adapted


@pytest.fixture
def make_tiny() -> Callable[..., PreTrainedModel]:
    return tiny
