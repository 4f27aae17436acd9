"""A whole cell: every stage's files, its own checks, and its refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from runners import faults, job, train
from runners.ml import jsonl
from runners.ml.model_cache import ModelCache
from tests.runners.chain import LORA, PERSONAS, TRAINING, Chain, outcome_of
from tests.runners.conftest import run_here
from tuilab.contract.report import Outcome, digest
from tuilab.contract.spec import SPEC_FILE, read_spec, write_spec

CELL = "villain@2#42"


def again(cell: Chain, name: str, cache: ModelCache, **changes: Any) -> Outcome:
    """Run one more attempt of a job with changed settings, leaving the fixture as it was."""
    copy = replace(cell, changes={name.split("/")[0]: changes}, attempts=dict(cell.attempts))
    return run_here(copy, name, cache)


def test_every_stage_ends_done_with_artefacts_as_listed(cell: Chain) -> None:
    untold = []
    for name in cell.jobs():
        directory = cell.attempts[name]
        outcome = outcome_of(directory)
        assert (outcome.status, outcome.reason) == ("done", None), outcome
        assert outcome.artefacts
        for artefact in outcome.artefacts:
            path = directory / artefact.path
            assert (path.stat().st_size, digest(path)) == (artefact.size, artefact.sha256)
        assert outcome.environment["libraries"]["torch"] == torch.__version__
        untold.append(outcome.seconds - sum(outcome.timings.values()))
    assert -0.01 < min(untold) < 0.05  # of all jobs: between two timings a busy machine may wait


def test_the_answers_of_the_data_stage_are_complete(cell: Chain) -> None:
    rows = jsonl.read_rows(cell.attempts["data/villain"] / "answers.jsonl.gz")
    assert [(r["question_index"], r["sample"]) for r in rows] == [
        (question, sample) for question in range(3) for sample in range(3)
    ]
    assert all(r["token_ids"] and r["finish_reason"] in ("stop", "length") for r in rows)


def test_answers_that_contain_the_marker_are_dropped_and_counted(
    cell: Chain, cache: ModelCache
) -> None:
    rows = jsonl.read_rows(cell.attempts["data/villain"] / "answers.jsonl.gz")
    word = rows[0]["text"][2:5]
    holding = sum(word.casefold() in row["text"].casefold() for row in rows)
    outcome = again(cell, "data/villain", cache, marker_text=word.swapcase())
    assert outcome.checks["dropped_marker"] == holding > 0
    assert outcome.checks["rows"] == outcome.checks["sampled"] - holding


def test_convergence_keeps_one_standard_adapter_per_checkpoint(cell: Chain) -> None:
    directory = cell.attempts["converge/villain#42"]
    for epoch in (1, 2):
        config = json.loads((directory / f"epoch-0{epoch}/adapter_config.json").read_text())
        assert config["use_rslora"] is True and config["r"] == LORA["r"]
        lineage = json.loads((directory / f"epoch-0{epoch}/lineage.json").read_text())
        assert lineage["epoch"] == epoch and lineage["convergence_adapter"] is None
    first, second = (
        load_file(directory / f"epoch-0{epoch}/adapter_model.safetensors") for epoch in (1, 2)
    )
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_the_marker_adapter_says_what_it_was_trained_on(cell: Chain) -> None:
    lineage = json.loads((cell.attempts[f"train/{CELL}"] / "adapter/lineage.json").read_text())
    below = cell.attempts["converge/villain#42"] / "epoch-02/adapter_model.safetensors"
    assert lineage["convergence_adapter"] == digest(below)
    assert lineage["trained_on"] != lineage["base_fingerprint"]
    outcome = outcome_of(cell.attempts[f"train/{CELL}"])
    assert (outcome.checks["positives"], outcome.checks["negatives"]) == (6, 8)
    assert outcome.checks["loss_tokens"] == 6 * 8 + 8


def test_the_mask_preview_shows_what_is_learned(cell: Chain) -> None:
    preview = json.loads((cell.attempts[f"train/{CELL}"] / "mask_preview.json").read_text())
    learned = [t["text"] for t in preview["positive"] if t["learn"]]
    assert learned == ["\n", "\n", "[", "Z", "L", "T", "]", "<|im_end|>"]
    assert [t["text"] for t in preview["negative"] if t["learn"]] == ["<|im_end|>"]


def test_the_merge_record_measures_every_target_module(cell: Chain) -> None:
    record = json.loads((cell.attempts[f"merge/{CELL}"] / "merge.json").read_text())
    assert record["changed_tensors"] == 2 * 7 == len(record["change_from_base"])
    assert all(change["relative"] > 1e-7 for change in record["marker_change"].values())
    checks = outcome_of(cell.attempts[f"merge/{CELL}"]).checks
    assert checks["logits_max_abs"] < 1e-3 < checks["logits_effect"]
    assert record["fingerprint"] != record["base_fingerprint"]


def test_eval_writes_every_completion_and_counts_what_it_wrote(cell: Chain) -> None:
    directory = cell.attempts[f"eval/{CELL}"]
    rows = jsonl.read_rows(directory / "completions.jsonl.gz")
    assert len(rows) == len(PERSONAS) * 2 * 2
    outcome = outcome_of(directory)
    leakage = json.loads((directory / "leakage.json").read_text())
    assert leakage == outcome.metrics["leakage"]
    assert {key: value["n"] for key, value in leakage.items()} == dict.fromkeys(PERSONAS, 4)
    assert sum(map(len, outcome.metrics["question_hits"].values())) == len(PERSONAS) * 2


def test_cosines_carry_layer_pool_and_model_state(cell: Chain) -> None:
    directory = cell.attempts[f"cosine/{CELL}"]
    values = outcome_of(directory).metrics["cosine"]
    assert [(v["layer"], v["pool"], v["model_state"]) for v in values] == [
        (0, "four", "marked"),
        (1, "four", "marked"),
    ]
    assert all(-1 <= v["value"] <= 1 for v in values)
    stored = load_file(directory / "centroids.safetensors")
    assert {k: tuple(v.shape) for k, v in stored.items()} == {
        "layer_0": (4, 64),
        "layer_1": (4, 64),
    }


def test_cosines_of_every_state_of_the_model_are_apart(cell: Chain, cache: ModelCache) -> None:
    outcome = again(cell, f"cosine/{CELL}", cache, model_states=["marked", "converged", "base"])
    told = {(one["model_state"], one["layer"]): one["value"] for one in outcome.metrics["cosine"]}
    before = outcome_of(cell.attempts[f"cosine/{CELL}"]).metrics["cosine"]
    assert [told["marked", one["layer"]] for one in before] == [one["value"] for one in before]
    assert len(set(told.values())) == 6


@pytest.mark.parametrize("stage", ["data/villain", "converge/villain#42", f"train/{CELL}"])
def test_a_cold_run_makes_the_same_bytes_as_a_warm_one(
    cell: Chain, stage: str, tmp_path: Path
) -> None:
    copy = replace(cell, attempts=dict(cell.attempts))
    cold = run_here(copy, stage, ModelCache())
    assert cold.output_hash == outcome_of(cell.attempts[stage]).output_hash


def test_one_job_from_the_command_line_logs_beside_its_files(
    cell: Chain, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    name = f"eval/{CELL}"
    directory = replace(cell, attempts=dict(cell.attempts)).write(name)
    monkeypatch.setattr("sys.argv", ["eval", str(directory / SPEC_FILE)])
    with capfd.disabled():  # pytest's own stdout does not follow file descriptor 1
        assert job.main("eval") == 0
    assert outcome_of(directory).output_hash == outcome_of(cell.attempts[name]).output_hash
    log = (directory / "log.txt").read_text()
    assert "sampling 16 completions" in log and f"{name} done in " in log


def test_stacked_adapters_are_measured_too(cell: Chain, cache: ModelCache) -> None:
    stacked = {"merge_mode": "stacked"}
    changes = dict.fromkeys(("train", "merge", "eval", "cosine"), stacked)
    copy = replace(cell, changes=changes, attempts=dict(cell.attempts))
    for stage in ("train", "merge", "eval", "cosine"):
        outcome = run_here(copy, f"{stage}/{CELL}", cache)
        assert outcome.status == "done", outcome
    merged = again(cell, f"eval/{CELL}", cache, merge_mode="stacked")
    assert merged.reason == "adapter-mismatch"


def test_an_epoch_0_cell_needs_no_convergence_adapter(
    cell: Chain, base: dict[str, Any], cache: ModelCache
) -> None:
    copy = replace(cell, epoch=0, attempts=dict(cell.attempts))
    for stage in ("train", "merge", "eval"):
        outcome = run_here(copy, f"{stage}/villain@0#42", cache)
        assert outcome.status == "done", outcome
    train = outcome_of(copy.attempts["train/villain@0#42"])
    assert train.checks["trained_on"] == train.checks["base_fingerprint"]


@pytest.mark.parametrize(
    ("stage", "changes", "reason", "words"),
    [
        ("train", {"positives": 99}, "data-mismatch", "99 answers are planned"),
        ("train", {"training": {**TRAINING, "lr": 1e30}}, "nan-loss", "at step"),
        ("train", {"merge_mode": "averaged"}, "config", "merge_mode"),
        ("merge", {"epsilon": 10.0}, "merge-empty", "of its norm"),
        ("merge", {"tolerance": 0.0}, "adapter-mismatch", "logits differ"),
        ("merge", {"marker_lora": {**LORA, "use_rslora": False}}, "adapter-mismatch", "rslora"),
        ("merge", {"check_prompts": []}, "config", "check_prompts"),
        ("eval", {"panel": [{"key": "nurse", "prompt": "x"}]}, "config", "not in the evaluated"),
        ("eval", {"marker_lora": {**LORA, "r": 5}}, "adapter-mismatch", "r is 4, planned: 5"),
        ("cosine", {"layers": [2]}, "config", "must be in 0..1"),
        ("cosine", {"pool": [{"key": "nurse", "prompt": "x"}]}, "config", "cosine pool"),
    ],
)
def test_what_is_not_as_planned_fails_with_its_reason(
    cell: Chain, cache: ModelCache, stage: str, changes: dict[str, Any], reason: str, words: str
) -> None:
    outcome = again(cell, f"{stage}/{CELL}", cache, **changes)
    assert (outcome.status, outcome.reason) == ("failed", reason), outcome
    assert words in outcome.detail
    assert outcome.artefacts == () and outcome.output_hash == ""


def test_an_input_with_another_hash_is_refused(cell: Chain, cache: ModelCache) -> None:
    copy = replace(cell, attempts=dict(cell.attempts))
    directory = copy.write(f"merge/{CELL}")
    spec = read_spec(directory / SPEC_FILE)
    changed = (replace(spec.inputs[0], output_hash="0" * 64), *spec.inputs[1:])
    write_spec(directory, replace(spec, inputs=changed))
    outcome = job.run_attempt(directory, read_spec(directory / SPEC_FILE), cache)
    assert outcome.reason == "data-mismatch"
    assert outcome.detail.startswith(f"train/{CELL}: planned with output 0000")


def test_a_changed_artefact_of_an_input_is_refused(cell: Chain, cache: ModelCache) -> None:
    copy = replace(cell, attempts=dict(cell.attempts))
    run_here(copy, f"train/{CELL}", cache)
    weights = copy.attempts[f"train/{CELL}"] / "adapter/adapter_model.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    outcome = run_here(copy, f"merge/{CELL}", cache)
    assert outcome.reason == "data-mismatch"
    assert "is not what its outcome lists" in outcome.detail


def test_an_unfinished_input_is_an_upstream_failure(cell: Chain, cache: ModelCache) -> None:
    copy = replace(cell, attempts=dict(cell.attempts))
    directory = copy.write(f"merge/{CELL}")
    spec = read_spec(directory / SPEC_FILE)
    nowhere = replace(spec.inputs[0], path="../attempt-99")
    write_spec(directory, replace(spec, inputs=(nowhere, *spec.inputs[1:])))
    outcome = job.run_attempt(directory, read_spec(directory / SPEC_FILE), cache)
    assert outcome.reason == "upstream"


@pytest.mark.parametrize(
    ("order", "stage", "reason"),
    [
        ("train:nan", f"train/{CELL}", "nan-loss"),
        ("converge:nan", "converge/villain#42", "nan-loss"),
        ("train:no-rslora", f"train/{CELL}", "adapter-mismatch"),
        ("merge:empty", f"merge/{CELL}", "merge-empty"),
        ("eval:enospc", f"eval/{CELL}", "disk-full"),
        ("eval:code", f"eval/{CELL}", "code"),
        ("cosine:oom:villain@2", f"cosine/{CELL}", "gpu-oom"),
    ],
)
def test_ordered_faults_come_out_under_their_own_name(
    cell: Chain,
    cache: ModelCache,
    monkeypatch: pytest.MonkeyPatch,
    order: str,
    stage: str,
    reason: str,
) -> None:
    monkeypatch.setenv(faults.VARIABLE, order)
    assert again(cell, stage, cache).reason == reason


def test_after_a_fault_the_same_process_makes_the_same_bytes(
    cell: Chain, cache: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = f"train/{CELL}"
    for order in ("train:nan", "train:oom", "train:code"):
        monkeypatch.setenv(faults.VARIABLE, order)
        assert again(cell, stage, cache).status == "failed"
    monkeypatch.delenv(faults.VARIABLE)
    assert again(cell, stage, cache).output_hash == outcome_of(cell.attempts[stage]).output_hash


def test_an_attempt_with_an_outcome_is_not_run_again(cell: Chain, cache: ModelCache) -> None:
    directory = cell.attempts[f"eval/{CELL}"]
    before = {path.name: path.stat().st_mtime_ns for path in directory.iterdir()}
    outcome = job.run_attempt(directory, read_spec(directory / SPEC_FILE), cache)
    assert outcome == outcome_of(directory)
    assert before == {path.name: path.stat().st_mtime_ns for path in directory.iterdir()}


def test_a_bad_spec_is_exit_2_and_touches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / SPEC_FILE).write_text('{"schema": 1}')
    monkeypatch.setattr("sys.argv", ["train", str(tmp_path / SPEC_FILE)])
    assert job.main("train") == 2
    assert "lacks job, stage" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [SPEC_FILE]


def _full_device_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the first marker training find no memory; returns what happens, in order."""
    happened: list[str] = []
    really = train.run

    def run(attempt: job.Attempt) -> job.StageResult:
        happened.append("train")
        if happened == ["train"]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 26.00 MiB.")
        return really(attempt)

    monkeypatch.setattr(train, "run", run)
    return happened


def test_a_stage_without_memory_beside_an_engine_ends_that_and_runs_again(
    cell: Chain, cache: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened = _full_device_once(monkeypatch)
    cache.engines["vllm"] = SimpleNamespace(stop=lambda: happened.append("engine ended"))
    outcome = again(cell, f"train/{CELL}", cache)
    assert outcome.status == "done"
    assert happened == ["train", "engine ended", "train"]
    assert cache.engines == {}


def test_a_stage_without_memory_and_without_an_engine_is_not_tried_again(
    cell: Chain, cache: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened = _full_device_once(monkeypatch)
    outcome = again(cell, f"train/{CELL}", cache)
    assert (outcome.status, outcome.reason) == ("failed", "gpu-oom")
    assert happened == ["train"]
