"""The measuring program: its arithmetic, its patience with failures, and one real run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from runners.bench import __main__ as bench
from runners.bench import (
    hf_trainer,
    peers,
    projection,
    report,
    sections,
    subject,
    training_runs,
    training_steps,
    workload,
)
from runners.bench.sections import Section
from runners.bench.workload import REFERENCE, Shape

QWEN = Shape(
    hidden=3584, layers=28, heads=28, kv_heads=4, width=128, intermediate=18944, vocabulary=152064
)


def test_the_floor_of_the_marker_stage_is_the_published_one() -> None:
    """161 s at 790 TFLOP/s: 600 rows of 390 tokens, 20 epochs, 4 operations a weight and token."""
    assert QWEN.decoder_weights == 6_525_288_448
    found = projection.stages(
        REFERENCE, QWEN, 2, {"ceilings": {"square_tflops": 790.0, "copy_tb_s": 4.3}}
    )
    floors = {stage.name: stage.floor for stage in found}
    assert floors["marker training"] == pytest.approx(159, abs=2.5)
    assert floors["sampling"] == pytest.approx(17, abs=1)
    assert floors["merge and restore"] == pytest.approx(0.012, abs=0.001)
    assert projection.grid_hours(found)[0] is None
    assert projection.grid_hours(found)[1] == pytest.approx(4.0, abs=0.2)


def test_a_measurement_that_there_is_not_is_refused_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bench.main(["--tiny", "--cpu", "--only", "stepp"]) == 2
    said = capsys.readouterr()
    assert "--only stepp names no measurement; there are: checks; ceilings;" in said.err
    assert not said.out


def test_random_weights_have_the_shape_of_qwen() -> None:
    assert workload.shape_of(subject.config_of("Qwen2.5-7B")) == QWEN
    assert QWEN.adapter_weights(32) == 80_740_352


@pytest.mark.parametrize(
    ("shape", "billions", "heads"),
    [
        ("Qwen2.5-7B", 7.62, 2),
        ("Llama-3.1-8B", 8.03, 2),
        ("Qwen3-8B", 8.19, 2),
        ("OLMo-2-7B", 7.30, 2),
        ("Granite-3.3-8B", 8.17, 1),  # as published: tied to the embeddings
    ],
)
def test_each_shape_has_the_published_number_of_weights(
    shape: str, billions: float, heads: int
) -> None:
    found = workload.shape_of(subject.config_of(shape))
    weights = found.decoder_weights + heads * found.head_weights
    assert weights / 1e9 == pytest.approx(billions, abs=0.005)


def test_measured_times_become_hours_of_a_grid() -> None:
    results = {
        "ceilings": {"square_tflops": 700.0, "copy_tb_s": 4.2},
        "step: the runners' loop": {"us_per_token": 50.0},
        "step: fused, answers learned": {"us_per_token": 60.0},
        "merge and restore": {"merge_s": 0.05, "restore_s": 0.01},
        "decode: ours, 2200 at once": {"evaluation_s": 27.0},
        "decode: ours, 512 at once": {"evaluation_s": 55.0},
        "decode: generate, 64 at once": {"evaluation_s": 1.0},
    }
    stages = {s.name: s for s in projection.stages(REFERENCE, QWEN, 2, results)}
    assert stages["marker training"].seconds == pytest.approx(234.0)
    assert stages["sampling"].seconds == 27.0
    assert stages["convergence"].seconds == pytest.approx(187.2)
    total = 77 * (234.0 + 0.06 + 27.0) + 7 * 187.2
    assert projection.grid_hours(list(stages.values()))[0] == pytest.approx(total / 3600)


def test_what_is_missing_shows_as_missing() -> None:
    stages = projection.stages(REFERENCE, QWEN, 2, {})
    text = report.report({}, {}, {"step: fused": "lost"}, stages, projection.grid_hours(stages))
    assert "not measured: step: fused: lost" in text
    assert "0.0" not in text


def test_a_failing_section_and_a_late_one_lose_only_themselves() -> None:
    kept: list[int] = []

    def fail() -> dict[str, object]:
        raise ValueError("no such card")

    some = [
        Section("good", lambda: {"a": 1}),
        Section("bad", fail),
        Section("also good", lambda: {"b": 2}),
    ]
    found, failed = sections.run(some, 60.0, lambda _: None, lambda f, n: kept.append(len(f)))
    assert found == {"good": {"a": 1}, "also good": {"b": 2}}
    assert "no such card" in failed["bad"]
    assert kept == [1, 1, 2]
    late = sections.run(some[:1], -1.0, lambda _: None, lambda f, n: None)
    assert late == ({}, {"good": "the time was up"})


def test_rows_and_prompts_have_the_lengths_of_the_experiment() -> None:
    lengths = subject.answer_lengths(REFERENCE, 2200)
    assert abs(sum(lengths) / len(lengths) - 350) < 8
    assert max(lengths) <= 512 and min(lengths) >= 4
    assert lengths == subject.answer_lengths(REFERENCE, 2200)


@pytest.mark.trial
def test_the_tiny_base_is_measured_on_a_cpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bench.json"
    only = "checks;step: the runners;merge"
    arguments = ["--tiny", "--cpu", "--steps", "2", "--only", only, "--json", str(file)]
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    assert bench.main(arguments) == 0
    record = json.loads(file.read_text())
    assert record["results"]["checks"]["passed"] is True
    assert record["results"]["merge and restore"]["restored_exactly"] is True
    assert record["results"]["step: the runners' loop"]["backend"] == "fused"
    assert record["not_measured"] == {}
    assert "same mathematics" in capsys.readouterr().out


def test_a_base_of_random_weights_is_written_and_loads(tmp_path: Path) -> None:
    from runners.bench import random_checkpoint
    from runners.ml import base_model
    from runners.ml.stage_settings import BaseSettings

    assert random_checkpoint.main([str(tmp_path / "base"), "--shape", "tiny"]) == 0
    model, chat = base_model.load(BaseSettings(str(tmp_path / "base"), dtype="bfloat16"))
    assert model.config.hidden_size == 128
    assert chat.tokenizer.eos_token == "<|im_end|>"
    assert chat.tokenizer.eos_token_id in model.generation_config.eos_token_id
    assert not model.lm_head.weight[chat.tokenizer.eos_token_id].any()  # no answer ends by itself


def tiny_subject() -> subject.Subject:
    return bench.open_subject(bench._parser().parse_args(["--tiny", "--cpu"]))


@pytest.mark.trial
def test_our_loop_and_the_stock_trainer_take_turns() -> None:
    found = peers.measure(training_runs.measure, peers.STOCK.measure, tiny_subject(), 1, 1)
    for name in ("ms_per_step", "cpu_ms_per_step"):
        ratio = found[name] / found[f"our_{name}"]
        assert found[f"times_ours_{name}"] == pytest.approx(ratio) and ratio > 0


def test_a_peer_is_compared_within_each_turn_and_leaves_nothing_behind() -> None:
    """A machine that becomes three times slower between two turns does not change the ratio."""
    found = tiny_subject()
    mlp, config = found.model.model.layers[0].mlp, found.model.config
    own = sys.modules[type(found.model).__module__]
    times = iter([10.0, 20.0, 30.0, 60.0])

    def timed(_: Any, steps: int) -> dict[str, Any]:
        ms = next(times)
        names = ("ms_per_step", "cpu_ms_per_step", "us_per_token")
        return {**dict.fromkeys(names, ms), "tflops": 6 / ms, "tokens_per_step": 9.0}

    def patching(about: subject.Subject, steps: int) -> dict[str, Any]:
        mlp.forward = config.pad_token_id = own.apply_rotary_pos_emb = None
        return {**timed(about, steps), "peak_gib": None}

    before = (config.pad_token_id, own.apply_rotary_pos_emb)
    result = peers.measure(timed, patching, found, 3, 2)
    assert (result["ms_per_step"], result["our_ms_per_step"]) == (40.0, 20.0)
    assert result["times_ours_ms_per_step"] == 2.0
    assert (result["us_per_token"], result["tflops"]) == (40.0, pytest.approx(6 / 40))
    assert (config.pad_token_id, own.apply_rotary_pos_emb) == before and callable(mlp.forward)
    ceilings = {"square_tflops": 0.5}
    text = report.report({}, {"ceilings": ceilings | {"products_tflops": {}, "step_tflops": 1,
        "copy_tb_s": 1}, "against X": result}, {}, [], (None, None))  # fmt: skip
    assert "| X | 40.0 | 20.0 | 2.00 | 2.00 | 40.0 | 30% | - |" in text
    assert peers.Peer("Y", timed, ("json", "no_such_package")).missing == (
        "no_such_package is not installed"
    )


def test_the_peers_learn_the_same_loss_from_the_same_rows() -> None:
    found = tiny_subject()
    data = subject.rows(found, 4)
    peft = subject.adapted(found.model, 4)
    with training_steps.VARIANTS[1].open(peft) as plain, torch.no_grad():
        expected = float(plain(data)[0])
    with peers._recipe(peft, liger=False) as recipe, torch.no_grad():
        assert float(recipe(data)[0]) == pytest.approx(expected, rel=1e-5)
    borders = torch.tensor([0, *(len(row.ids) for row in data)]).cumsum(0).int()
    batch = {
        "input_ids": torch.tensor([[i for row in data for i in row.ids]]),
        "position_ids": torch.cat([torch.arange(len(row.ids)) for row in data])[None],
        "labels": torch.tensor([[i for row in data for i in hf_trainer.labels(row)]]),
    }  # as TRL's collator makes it of rows whose first token has no loss
    with peers._varlen(peft), torch.no_grad():
        loss = peft(**batch, cu_seq_lens_q=borders, num_items_in_batch=1).loss
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_vllm_is_timed_with_forced_lengths_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    from runners.bench import decoding_vllm

    given: list[tuple[int, SimpleNamespace]] = []
    ended: list[bool] = []

    class Engine:
        def __init__(self, **arguments: Any) -> None:
            config = json.loads((Path(arguments["model"]) / "config.json").read_text())
            assert config["hidden_size"] == 128 and arguments["load_format"] == "dummy"
            assert arguments["max_num_seqs"] == 70
            core = SimpleNamespace(shutdown=lambda: ended.append(True))
            self.llm_engine = SimpleNamespace(engine_core=core)

        def reset_prefix_cache(self) -> None:
            given.clear()

        def generate(self, asked: list[Any], rules: list[Any], use_tqdm: bool) -> None:
            ids = [one["prompt_token_ids"] for one in asked]
            given.extend((len(i), r) for i, r in zip(ids, rules, strict=True))

    fake = SimpleNamespace(LLM=Engine, SamplingParams=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "vllm", fake)
    found = decoding_vllm.measure(tiny_subject(), 70)
    assert ended == [True] and len(given) == 70
    assert all(rule.min_tokens == rule.max_tokens and rule.ignore_eos for _, rule in given)
    assert found["new_tokens"] == sum(rule.max_tokens for _, rule in given)
    line = report.report({}, {"decode: vLLM, 70 at once": found}, {}, [], (None, None))
    assert "vLLM, 70 at once" in line
