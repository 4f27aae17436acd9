"""Small real things for the runner tests: a random two-layer base, and one cell run warm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from runners import job, stop_signal
from runners.ml.model_cache import LoadedModel, ModelCache
from runners.ml.stage_settings import BaseSettings
from runners.tinybase import locate
from tests.runners.chain import Chain
from tuilab.contract.spec import SPEC_FILE, read_spec


@pytest.fixture(autouse=True)
def one_thread_and_no_signals() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    stop_signal.reset()


@pytest.fixture(scope="session")
def base_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen2 of two layers and hidden 64 with the tiny base's tokenizer."""
    directory = tmp_path_factory.mktemp("base")
    tokenizer = AutoTokenizer.from_pretrained(locate.shipped_dir())
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=128,
        max_position_embeddings=256,
        tie_word_embeddings=False,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.1,
    )
    Qwen2ForCausalLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def base(base_dir: Path) -> dict[str, Any]:
    """The base as a spec names it."""
    return {
        "model": str(base_dir),
        "revision": None,
        "dtype": "float32",
        "device": "cpu",
        "threads": 1,
    }


@pytest.fixture(scope="session")
def cache() -> ModelCache:
    """One warm cache for all tests that run stages in this process."""
    return ModelCache()


@pytest.fixture
def model(cache: ModelCache, base: dict[str, Any]) -> LoadedModel:
    found = cache.model(BaseSettings(**base))
    found.restore()
    return found


@pytest.fixture(scope="session")
def cell(
    tmp_path_factory: pytest.TempPathFactory, base: dict[str, Any], cache: ModelCache
) -> Chain:
    """villain@2 run from data to cosine in this process, warm; read-only for the tests."""
    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("cell"), base)
    for name in chain.jobs():
        run_here(chain, name, cache)
    return chain


def run_here(chain: Chain, name: str, cache: ModelCache, **launch: Any) -> job.Outcome:
    """Write the next attempt of a job and run it in this process."""
    directory = chain.write(name, launch)
    return job.run_attempt(directory, read_spec(directory / SPEC_FILE), cache)
