"""The vLLM sampler on a fake engine; its arguments against the real one, where installed."""

from __future__ import annotations

import importlib.util
import inspect
import pickle
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
import torch
from torch.multiprocessing.reductions import reduce_tensor

from runners.ml import adapter, sampler_vllm
from runners.ml.lora_layers import LoraLayers
from runners.ml.model_cache import LoadedModel, ModelCache
from runners.ml.sampler_transformers import TransformersSampler
from runners.ml.stage_settings import SamplingSettings
from runners.ml.vllm_worker import WorkerExtension
from tests.runners.test_adapter import write_adapter
from tests.runners.test_samplers import prompts
from tests.runners.test_training_loop import LORA_SETTINGS
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

SETTINGS = SamplingSettings(
    temperature=0.0, top_p=1.0, top_k=0, max_new_tokens=6, batch_size=8, seed=3
)


@dataclass
class FakeEngine:
    """Behaves as ``vllm.LLM`` does towards us, on a model of its own loaded from disk."""

    arguments: dict[str, Any]
    loses_updates: bool = False
    calls: list[str] = field(default_factory=list)
    is_shut: bool = False

    def __post_init__(self) -> None:
        from transformers import AutoModelForCausalLM

        self.model = AutoModelForCausalLM.from_pretrained(self.arguments["model"]).eval()
        self.llm_engine = SimpleNamespace(engine_core=SimpleNamespace(shutdown=self._shut))
        self.worker = WorkerExtension()
        self.worker.model_runner = SimpleNamespace(reload_weights=self._reload_weights)

    def collective_rpc(self, method: str, args: tuple[Any, ...] = ()) -> list[Any]:
        self.calls.append(method)
        return [getattr(self.worker, method)(*args)]

    def sleep(self, level: int, mode: str) -> None:
        assert (level, mode) == (0, "keep")
        self.calls.append("sleep")

    def enqueue(self, asked: list[Any], parameters: Any, use_tqdm: bool) -> None:
        assert not use_tqdm
        self.calls.append("enqueue")
        self.waiting = (asked, parameters)

    def wake_up(self, tags: list[str]) -> None:
        assert tags == ["scheduling"]
        self.calls.append("wake_up")

    def wait_for_completion(self, use_tqdm: Any) -> list[Any]:
        return self.generate(*self.waiting, use_tqdm)

    def reset_prefix_cache(self) -> bool:
        self.calls.append("reset_prefix_cache")
        return True

    def generate(self, asked: list[Any], parameters: Any, use_tqdm: Any) -> list[Any]:
        self.calls.append("generate")
        found = [self._answer(one["prompt_token_ids"], parameters) for one in asked]
        if use_tqdm:
            bar = use_tqdm(total=len(asked), desc="Processed prompts")
            for _ in asked:
                bar.update(1)
            bar.close()
        return found

    def _answer(self, ids: list[int], parameters: Any) -> Any:
        with torch.no_grad():
            rows = self.model(torch.tensor([ids])).logits[0].log_softmax(-1)
            made = self.model.generate(
                torch.tensor([ids]), do_sample=False, max_new_tokens=parameters.max_tokens
            )
        logprobs = [None] + [
            {token: SimpleNamespace(logprob=float(rows[place, token]))}
            for place, token in enumerate(ids[1:])
        ]
        tokens = made[0, len(ids) :].tolist()
        return SimpleNamespace(
            outputs=[SimpleNamespace(token_ids=tokens)], prompt_logprobs=logprobs
        )

    def _reload_weights(self, weights_iterator: Iterator[tuple[str, torch.Tensor]]) -> None:
        for name, tensor in weights_iterator:
            if not self.loses_updates:
                self.model.get_parameter(name).data.copy_(tensor)

    def _shut(self) -> None:
        self.is_shut = True


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[FakeEngine]:
    """Engines started during the test."""
    started: list[FakeEngine] = []

    def start(**arguments: Any) -> FakeEngine:
        started.append(FakeEngine(arguments))
        return started[-1]

    fake = SimpleNamespace(LLM=start, SamplingParams=lambda **given: SimpleNamespace(**given))
    monkeypatch.setitem(sys.modules, "vllm", fake)
    return started


def an_adapter(model: LoadedModel, tmp_path: Path) -> adapter.Adapter:
    return adapter.read(write_adapter(model, tmp_path / "a", 1), LORA_SETTINGS)


def test_the_same_prompts_get_the_same_greedy_answers_as_from_transformers(
    model: LoadedModel, tmp_path: Path, engines: list[FakeEngine]
) -> None:
    cache, seen = ModelCache(), []
    model.set_adapters([an_adapter(model, tmp_path)])
    sampler = sampler_vllm.for_model(cache, model)
    made = sampler.sample(prompts(model), SETTINGS, lambda done, of: seen.append((done, of)))
    expected = TransformersSampler(model.model, model.tokenizer)
    assert made == expected.sample(prompts(model), SETTINGS, lambda done, of: None)
    assert seen[-1] == (12, 12)
    [engine] = engines
    assert engine.arguments["max_num_seqs"] == 512
    assert engine.arguments["enforce_eager"], "compiling for a CPU takes minutes"


def test_weights_are_pushed_once_per_state_and_the_prefix_cache_is_reset_each_time(
    model: LoadedModel, tmp_path: Path, engines: list[FakeEngine]
) -> None:
    sampler = sampler_vllm.for_model(cache := ModelCache(), model)
    one = an_adapter(model, tmp_path)
    for adapters in ([], [one], [one], []):
        model.set_adapters(adapters)
        sampler.sample(prompts(model)[:1], SETTINGS, lambda done, of: None)
    [engine] = engines
    push = ["push_weights", "reset_prefix_cache", "generate"]
    ask = ["reset_prefix_cache", "reseed", "sleep", "enqueue", "wake_up", "generate"]
    assert engine.calls == [*ask, *push, *ask, *ask, *push, *ask]
    assert sampler_vllm.for_model(cache, model) is sampler
    sampler.pushes = sampler_vllm.MAX_PUSHES
    assert sampler_vllm.for_model(cache, model) is not sampler
    assert engine.is_shut


def test_a_push_that_did_not_arrive_is_noticed_and_ends_the_engine(
    model: LoadedModel, tmp_path: Path, engines: list[FakeEngine]
) -> None:
    sampler = sampler_vllm.for_model(ModelCache(), model)
    sampler.sample(prompts(model)[:1], SETTINGS, lambda done, of: None)
    engines[0].loses_updates = True
    model.set_adapters([an_adapter(model, tmp_path)])
    with pytest.raises(JobError, match="from the trainer's after a push") as caught:
        sampler.sample(prompts(model)[:1], SETTINGS, lambda done, of: None)
    assert caught.value.reason is Reason.VLLM_INIT
    assert engines[0].is_shut
    sampler.sample(prompts(model)[:1], SETTINGS, lambda done, of: None)
    assert len(engines) == 2


def test_being_asked_to_stop_ends_the_engine(model: LoadedModel, engines: list[FakeEngine]) -> None:
    def stop(done: int, of: int) -> None:
        raise JobError(Reason.KILLED, "asked to stop")

    with pytest.raises(JobError, match="asked to stop"):
        sampler_vllm.for_model(ModelCache(), model).sample(prompts(model), SETTINGS, stop)
    assert engines[0].is_shut


def test_live_adapters_are_refused_because_the_engine_would_not_see_them(
    model: LoadedModel, engines: list[FakeEngine]
) -> None:
    sampler = sampler_vllm.for_model(ModelCache(), model)
    with model.attached(LoraLayers(fresh=LORA_SETTINGS)), pytest.raises(JobError, match="stacked"):
        sampler.sample(prompts(model), SETTINGS, lambda done, of: None)


def test_an_engine_that_does_not_start_is_vllm_init(
    model: LoadedModel, engines: list[FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**arguments: Any) -> None:
        raise RuntimeError("Engine core initialization failed.\nSee root cause above.")

    monkeypatch.setattr(sys.modules["vllm"], "LLM", fail)
    with pytest.raises(JobError, match=r"RuntimeError: Engine core initialization failed\.$") as e:
        sampler_vllm.for_model(ModelCache(), model).sample(
            prompts(model), SETTINGS, lambda done, of: None
        )
    assert e.value.reason is Reason.VLLM_INIT


def test_the_memory_share_is_what_is_free_less_a_reserve() -> None:
    gib = 1 << 30
    assert sampler_vllm.memory_share(80 * gib, 100 * gib, 10 * gib) == 0.7
    assert sampler_vllm.memory_share(100 * gib, 100 * gib, 1 * gib) == 0.9
    with pytest.raises(JobError, match=r"set eval.sampler to trunk") as caught:
        sampler_vllm.memory_share(15 * gib, 100 * gib, 10 * gib)
    assert caught.value.reason is Reason.GPU_OOM


def test_an_engine_leaves_room_for_a_training_that_has_not_been_yet() -> None:
    gib = 1 << 30
    assert sampler_vllm.trainer_needs(15 * gib, held=15 * gib, most=16 * gib) == 37.5 * gib
    assert sampler_vllm.trainer_needs(15 * gib, held=20 * gib, most=60 * gib) == 40 * gib
    assert sampler_vllm.trainer_needs(15 * gib, held=60 * gib, most=60 * gib) == 0


def test_on_a_gpu_the_share_comes_from_the_memory_that_is_free_at_that_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (100 << 30, 140 << 30))
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 30 << 30)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 20 << 30)
    weight = SimpleNamespace(device=torch.device("cuda"), nbytes=5 << 30)
    model: Any = SimpleNamespace(parameters=lambda: iter([weight]))
    expected = round((100 - 10 - 6) / 140, 3)  # 10 GiB is what the trainer may take again
    assert sampler_vllm.memory_arguments(model) == {"gpu_memory_utilization": expected}


def test_every_sampling_number_is_passed_explicitly() -> None:
    given = sampler_vllm.sampling_arguments(replace(SETTINGS, temperature=0.7, top_p=0.95), [5])
    assert (given["temperature"], given["top_p"], given["top_k"]) == (0.7, 0.95, 0)
    assert given["repetition_penalty"] == 1.0 and given["stop_token_ids"] == [5]
    assert "seed" not in given


def test_the_worker_side_loads_what_the_trainer_shares() -> None:
    taken: list[tuple[str, torch.Tensor]] = []
    worker = WorkerExtension()
    worker.model_runner = SimpleNamespace(
        reload_weights=lambda weights_iterator: taken.extend(weights_iterator)
    )
    weight = torch.randn(3, 4)
    handles = pickle.dumps([("model.x.weight", reduce_tensor(weight))])
    assert worker.push_weights(handles) == 1
    assert taken[0][0] == "model.x.weight" and torch.equal(taken[0][1], weight)


def test_the_worker_side_reseeds_every_generator_that_vllm_draws_from() -> None:
    drawn = []
    for seed in (2**40 + 7, 8, 2**40 + 7):
        WorkerExtension().reseed(seed)
        drawn.append((float(torch.rand(())), int(numpy.random.randint(2**31))))
    assert drawn[0] == drawn[2]
    assert all(a != b for a, b in zip(drawn[0], drawn[1], strict=True))


@pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None, reason="vllm is not installed on this machine"
)
def test_our_arguments_exist_in_the_installed_vllm(model: LoadedModel) -> None:
    import vllm
    from vllm.engine.arg_utils import EngineArgs

    known = {*inspect.signature(vllm.LLM).parameters, *EngineArgs.__dataclass_fields__}
    assert set(sampler_vllm.engine_arguments(model, 1, 512)) <= known
    vllm.SamplingParams(**sampler_vllm.sampling_arguments(SETTINGS, [5]))
    for name in ("collective_rpc", "reset_prefix_cache", "generate", "wait_for_completion"):
        assert callable(getattr(vllm.LLM, name))
    assert {"level", "mode"} <= set(inspect.signature(vllm.LLM.sleep).parameters)
    assert "tags" in inspect.signature(vllm.LLM.wake_up).parameters
    assert "use_tqdm" in inspect.signature(vllm.LLM.enqueue).parameters


def test_the_extension_can_be_imported_by_its_name() -> None:
    module, _, name = sampler_vllm._EXTENSION.rpartition(".")
    assert getattr(importlib.import_module(module), name) is WorkerExtension
