"""Makes what is measured: a model, its adapters, rows and prompts, all from fixed seeds."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import torch
from peft import get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig

from runners.bench.workload import Shape, Workload, shape_of
from runners.ml.lora_layers import lora_config
from runners.ml.stage_settings import LoraSettings
from runners.ml.training_rows import Row

_COMMON = 6
"""Tokens that all prompts begin with."""
MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class Subject:
    """What every section measures."""

    model: Any
    """A causal LM of the Llama shape without adapters, frozen, in eval mode."""
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


_QWEN = {
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
}
_LLAMA_ROPE = {
    "rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
}  # fmt: skip
SHAPES: dict[str, dict[str, Any]] = {
    "Qwen2.5-7B": {
        "model_type": "qwen2", "vocab_size": 152064, "hidden_size": 3584,
        "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4, **_QWEN,
    },
    "Qwen3-8B": {
        "model_type": "qwen3", "vocab_size": 151936, "hidden_size": 4096,
        "intermediate_size": 12288, "num_hidden_layers": 36, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 128, **_QWEN,
    },
    "Llama-3.1-8B": {
        "model_type": "llama", "vocab_size": 128256, "hidden_size": 4096,
        "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5,
        "rope_parameters": _LLAMA_ROPE,
    },
    "OLMo-2-7B": {
        "model_type": "olmo2", "vocab_size": 100352, "hidden_size": 4096,
        "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 32, "max_position_embeddings": 4096, "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5e5},
    },
    "Granite-3.3-8B": {
        "model_type": "granite", "vocab_size": 49159, "hidden_size": 4096,
        "intermediate_size": 12800, "num_hidden_layers": 40, "num_attention_heads": 32,
        "num_key_value_heads": 8, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5,
        "embedding_multiplier": 12.0, "attention_multiplier": 0.0078125,
        "residual_multiplier": 0.22, "logits_scaling": 16.0,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e7},
    },
    "tiny": {
        "model_type": "qwen2", "vocab_size": 1536, "hidden_size": 128, "intermediate_size": 384,
        "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, **_QWEN,
    },
}  # fmt: skip
"""The exact shapes of published bases and of the embedded one, from their configs."""


DEFAULT_SHAPE = "Qwen2.5-7B"


def config_of(shape: str, layers: int | None = None) -> PreTrainedConfig:
    """Return a config of one of ``SHAPES``, with another number of layers if asked to."""
    sizes = dict(SHAPES[shape], tie_word_embeddings=False)
    sizes |= dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"))
    if layers is not None:
        sizes["num_hidden_layers"] = layers
    return AutoConfig.for_model(**sizes)


def random_model(config: PreTrainedConfig, device: torch.device, dtype: torch.dtype) -> Any:
    """Return a frozen model with random weights, made on the device."""
    torch.manual_seed(0)
    with device:
        model: Any = AutoModelForCausalLM.from_config(
            config, dtype=dtype, attn_implementation="sdpa"
        )
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
    """Make rows of random tokens that begin as those of three personas do, or of one that learns.

    A third has loss on six tokens, the others on the last one; or all on their answers.
    """
    work, size = subject.work, subject.shape.vocabulary
    draw = random.Random(1)

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(draw.randrange(size) for _ in range(count))

    common = tokens(_COMMON)
    starts = [(*common, *tokens(work.persona_tokens - _COMMON)) for _ in range(3)]
    found = []
    for index, answer in enumerate(answer_lengths(work, count)):
        start = starts[0 if learn_answers else index % 3]
        length = work.prompt_tokens + answer
        learned = answer if learn_answers else (6 if index % 3 == 0 else 1)
        mask = tuple(position >= length - learned for position in range(length))
        found.append(Row((*start, *tokens(length - len(start))), mask))
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
