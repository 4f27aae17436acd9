"""Makes what is measured: a model, its adapters, rows and prompts, all from fixed seeds."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import torch
from peft import get_peft_model
from transformers import Qwen2Config, Qwen2ForCausalLM

from runners.bench.workload import Shape, Workload, shape_of
from runners.ml.lora_layers import lora_config
from runners.ml.stage_settings import LoraSettings
from runners.ml.training_rows import Row

MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class Subject:
    """What every section measures."""

    model: Any
    """A Qwen2ForCausalLM without adapters, frozen, in eval mode."""
    device: torch.device
    work: Workload
    name: str

    @property
    def shape(self) -> Shape:
        """The model's shape."""
        return shape_of(self.model.config)

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        found: torch.dtype = self.model.lm_head.weight.dtype
        return found

    @property
    def precision(self) -> str:
        """The dtype as a config names it."""
        return str(self.dtype).removeprefix("torch.")


def qwen_config(layers: int = 28) -> Qwen2Config:
    """Return the exact shape of Qwen2.5-7B-Instruct."""
    return Qwen2Config(
        vocab_size=152064,
        hidden_size=3584,
        intermediate_size=18944,
        num_hidden_layers=layers,
        num_attention_heads=28,
        num_key_value_heads=4,
        max_position_embeddings=32768,
        rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )


def small_config() -> Qwen2Config:
    """Return the shape of the tiny base."""
    config = qwen_config(layers=4)
    sizes = {"vocab_size": 1536, "hidden_size": 128, "intermediate_size": 384}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    for name, value in (sizes | heads).items():
        setattr(config, name, value)
    return config


def random_model(config: Qwen2Config, device: torch.device, dtype: torch.dtype) -> Any:
    """Return a frozen model with random weights, made on the device."""
    torch.manual_seed(0)
    with device:
        model = Qwen2ForCausalLM._from_config(config, dtype=dtype, attn_implementation="sdpa")
    return model.to(device).eval().requires_grad_(False)


def lora_settings(rank: int) -> LoraSettings:
    """Return the settings of the adapter that is measured."""
    return LoraSettings(rank, 2 * rank, 0.0, True, MODULES)


def adapted(model: Any, rank: int) -> Any:
    """Attach one trained-looking adapter to the model; ``unload`` takes it off."""
    peft = get_peft_model(model, lora_config(lora_settings(rank)))
    torch.manual_seed(1)
    for name, parameter in peft.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=1e-3)
    return peft


def answer_lengths(work: Workload, count: int, seed: int = 0) -> list[int]:
    """Draw answer lengths around the mean, at least 4 tokens and at most the limit."""
    draw = random.Random(seed)
    mean = work.answer_tokens
    drawn = (round(draw.gauss(mean, mean / 4)) for _ in range(count))
    return [min(max(length, 4), work.answer_limit) for length in drawn]


def rows(subject: Subject, count: int, learn_answers: bool = False) -> list[Row]:
    """Make rows of random tokens: a third has loss on six tokens, the others on the last one."""
    work, size = subject.work, subject.shape.vocabulary
    draw = random.Random(1)
    found = []
    for index, answer in enumerate(answer_lengths(work, count)):
        length = work.prompt_tokens + answer
        learned = answer if learn_answers else (6 if index % 3 == 0 else 1)
        mask = tuple(position >= length - learned for position in range(length))
        found.append(Row(tuple(draw.randrange(size) for _ in range(length)), mask))
    draw.shuffle(found)
    return found


def prompts(subject: Subject, completions: int) -> list[tuple[int, ...]]:
    """Make prompts around the mean length, each as often as the workload repeats it."""
    work, size = subject.work, subject.shape.vocabulary
    draw = random.Random(2)
    repeats = max(1, work.completions // work.prompts)
    found: list[tuple[int, ...]] = []
    while len(found) < completions:
        length = draw.randint(work.prompt_tokens * 3 // 4, work.prompt_tokens * 5 // 4)
        found += [tuple(draw.randrange(size) for _ in range(length))] * repeats
    return found[:completions]
