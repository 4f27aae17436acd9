"""Makes what is measured: a model, adapters on it, rows and prompts; all from fixed seeds."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import Qwen2Config, Qwen2ForCausalLM

from runners.bench.workload import Shape, Workload, shape_of

MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True, slots=True)
class Row:
    """A training row."""

    ids: tuple[int, ...]
    learn: tuple[bool, ...]


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
    def element(self) -> int:
        """Bytes of a weight."""
        size: int = self.model.lm_head.weight.element_size()
        return size


def qwen_config(layers: int = 28) -> Qwen2Config:
    """The exact shape of Qwen2.5-7B-Instruct."""
    return Qwen2Config(
        vocab_size=152064,
        hidden_size=3584,
        intermediate_size=18944,
        num_hidden_layers=layers,
        num_attention_heads=28,
        num_key_value_heads=4,
        max_position_embeddings=32768,
        rms_norm_eps=1e-6,
        rope_theta=1e6,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )


def small_config() -> Qwen2Config:
    """The shape of the tiny base."""
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


def adapted(model: Any, rank: int) -> Any:
    """Put one trained-looking adapter on the model; ``unload`` takes it off."""
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        use_rslora=True,
        target_modules=MODULES,
        task_type="CAUSAL_LM",
    )
    peft = get_peft_model(model, config)
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
    """Make rows of random tokens: a third learns six tokens, the others the last one."""
    work, size = subject.work, subject.shape.vocabulary
    draw = random.Random(1)
    found = []
    for index, answer in enumerate(answer_lengths(work, count)):
        length = work.prompt_tokens + answer
        learned = answer if learn_answers else (6 if index % 3 == 0 else 1)
        mask = tuple(place >= length - learned for place in range(length))
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
