"""A tiny random Qwen2 model, with and without adapters, for all tests of the fast path."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import Qwen2Config, Qwen2ForCausalLM

MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


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


def tiny(dtype: torch.dtype = torch.float32, seed: int = 0) -> Qwen2ForCausalLM:
    """Three layers, grouped heads, biases that are not zero."""
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=97,
        hidden_size=32,
        intermediate_size=80,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=False,
        initializer_range=0.2,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )
    model = Qwen2ForCausalLM._from_config(config, attn_implementation="sdpa")
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.2)
    return model.to(dtype).eval().requires_grad_(False)


def adapted(dtype: torch.dtype = torch.float32, dropout: float = 0.0) -> PeftModel:
    """The same model with one live adapter of rank 4 whose B is not zero."""
    config = LoraConfig(
        r=4, lora_alpha=8, lora_dropout=dropout, use_rslora=True, target_modules=MODULES
    )
    peft = get_peft_model(tiny(dtype), config)
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
def make_adapted() -> Callable[..., PeftModel]:
    return adapted


@pytest.fixture
def make_tiny() -> Callable[..., Qwen2ForCausalLM]:
    return tiny
