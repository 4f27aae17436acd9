"""The doctor: findings as sentences, one JSON document, and strays found by their marker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.cli.small_grid import call, wait_until, write_config
from tuilab.cli.asking import Answer, ask, is_cached
from tuilab.cli.examining import findings_on_libraries
from tuilab.cli.examining_devices import Driver, findings_on_devices, memory
from tuilab.cli.forecast import forecast
from tuilab.cli.machine_checks import Places, machine_checks, places_for
from tuilab.cli.plan_text import as_text
from tuilab.cli.strays import find_strays
from tuilab.contract import atomic
from tuilab.contract.identity import MARKER_VARIABLE, me
from tuilab.contract.worker import LEASE_FILE
from tuilab.engine.devices import Device
from tuilab.grid.checks import Level
from tuilab.grid.config import ExperimentConfig
from tuilab.store.replan import plan_with, read_config


def test_the_doctor_speaks_in_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_verysecretvalue123")
    found = call("doctor", "--no-probe", "--json")
    document = json.loads(found.stdout)
    names = {one["name"] for one in document["findings"]}
    assert {"python", "app", "disk", "token", "cache"} <= names
    assert "hf_verysecretvalue123" not in found.output
    assert any("HF_TOKEN is set" in one["sentence"] for one in document["findings"])


def test_missing_libraries_block_and_say_how_to_get_them() -> None:
    answer = Answer({"libraries": {"torch": None, "transformers": "5", "peft": "0.21"}})
    found = [one for one in findings_on_libraries(answer) if one.name == "runners"]
    assert found[0].level is Level.BLOCKING
    assert "torch missing" in found[0].sentence


def test_runners_that_do_not_answer_are_a_warning_with_the_reason() -> None:
    [found] = [
        one for one in findings_on_libraries(Answer(None, "broken")) if one.name == "runners"
    ]
    assert (found.level, "broken" in found.sentence) == (Level.WARNING, True)


@pytest.mark.parametrize(
    ("driver", "cuda", "level", "said"),
    [
        (12.4, "12.4", Level.OK, "supports CUDA 12.4"),
        (12.4, "12.8", Level.WARNING, "mostly works"),
        (12.8, "13.0", Level.BLOCKING, "torch is built for 13.0"),
        (12.8, None, Level.WARNING, "torch is a CPU build"),
    ],
)
def test_the_driver_is_compared_with_what_torch_was_built_for(
    driver: float, cuda: str | None, level: Level, said: str
) -> None:
    answer = Answer({"cuda": cuda, "devices": ["CPU x"] if cuda is None else ["H200, 139 GiB"]})
    found = {one.name: one for one in findings_on_devices(answer, Driver(driver), False)}
    assert found["driver"].level is level
    assert said in found["driver"].sentence


def test_memory_that_is_taken_is_told_with_who_holds_it() -> None:
    gib = 1024**3
    free = Device(0, "GPU-a", "H200", 140 * gib, gib)
    held = Device(1, "GPU-b", "H200", 140 * gib, 90 * gib, holders=("pid 7 vllm serve",))
    unknown = Device(2, "GPU-c", "H200", 140 * gib, 90 * gib)
    first, second, third = memory([free, held, unknown])
    assert (first.level, first.sentence) == (Level.OK, "GPU 0: 139.0 of 140 GiB free")
    assert second.level is third.level is Level.WARNING
    assert second.sentence.endswith("50.0 of 140 GiB free; the rest is held by pid 7 vllm serve")
    assert third.sentence.endswith("held by someone outside this container")


def test_with_a_gpu_the_doctor_says_whether_vllm_can_be_used() -> None:
    said = {"cuda": "12.8", "devices": ["H200, 139 GiB"]}
    without = Answer({**said, "libraries": {"vllm": None}})
    found = {one.name: one for one in findings_on_devices(without, Driver(12.8), False)}
    assert found["vllm"].level is Level.OK, "Qwen2 models do without"
    assert "tuilab[gpu]" in found["vllm"].sentence
    there = Answer({**said, "libraries": {"vllm": "0.26"}})
    found = {one.name: one for one in findings_on_devices(there, Driver(12.8), False)}
    assert found["vllm"].level is Level.OK


def config_with(tmp_path: Path, more: str) -> ExperimentConfig:
    path = write_config(tmp_path)
    path.write_text(path.read_text() + more)
    return read_config(path).config


def test_a_config_is_told_which_of_its_libraries_are_missing_here(tmp_path: Path) -> None:
    config = config_with(tmp_path, '[tracker]\nkind = "wandb"\n')
    assert machine_checks(config, lambda name: True) == ()
    [tracker] = machine_checks(config, lambda name: name != "wandb")
    assert (tracker.name, tracker.level) == ("tracker", Level.WARNING)
    assert "pip install 'tuilab[wandb]'" in tracker.sentence
    [runners] = machine_checks(config, lambda name: name != "torch")
    assert runners.sentence.startswith("torch missing")


def test_a_sampler_that_is_not_there_is_told_before_every_eval_fails(tmp_path: Path) -> None:
    config = config_with(tmp_path, "")
    wants = config.model_copy(update={"eval": config.eval.model_copy(update={"sampler": "vllm"})})
    assert machine_checks(config, lambda name: name != "vllm") == ()
    [found] = machine_checks(wants, lambda name: name != "vllm")
    assert "every eval would fail" in found.sentence


def cards(folder: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process see made-up cards."""
    gib = 1024**3
    made = [asdict(Device(n, f"GPU-{n}", "H", 80 * gib, gib)) for n in range(count)]
    atomic.write_json(folder / "devices.json", made)
    monkeypatch.setenv("TUILAB_FAKE_DEVICES", str(folder / "devices.json"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def on_gpus(tmp_path: Path, **resources: object) -> ExperimentConfig:
    config = config_with(tmp_path, "")
    base = config.base.model_copy(update={"device": "auto"})
    changed = config.resources.model_copy(update=resources)
    return config.model_copy(update={"base": base, "resources": changed})


def test_gpus_that_stay_idle_are_named_with_the_setting_that_uses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards(tmp_path, 3, monkeypatch)
    one = on_gpus(tmp_path, workers=1)
    assert places_for(one) == Places(1, ("0",), ("1", "2"))
    [found] = machine_checks(one, lambda name: True)
    assert "leaves GPUs 1, 2 idle: 3 uses all" in found.sentence
    all_of_them = on_gpus(tmp_path, workers=3)
    assert places_for(all_of_them) == Places(3, ("0", "1", "2"))
    assert machine_checks(all_of_them, lambda name: True) == ()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-2")
    assert places_for(one) == Places(1, ("2",))


def test_more_workers_than_gpus_are_not_counted_and_the_processor_has_places_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards(tmp_path, 2, monkeypatch)
    many = on_gpus(tmp_path, workers=4)
    assert places_for(many) == Places(2, ("0", "1"))
    [found] = machine_checks(many, lambda name: True)
    assert "4, but 2 jobs at a time can run on 2 GPUs" in found.sentence
    assert places_for(on_gpus(tmp_path, workers=4, jobs_per_device=2)).workers == 4
    assert places_for(config_with(tmp_path, "")) == Places(1)


def test_the_plan_counts_hours_with_the_gpus_that_are_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards(tmp_path, 2, monkeypatch)
    configs = [on_gpus(tmp_path, workers=count) for count in (1, 2)]
    alone, both = (forecast(one, plan_with(one), tmp_path / "runs") for one in configs)
    assert (alone.places.cards, both.places.cards) == (("0",), ("0", "1"))
    assert both.seconds < alone.seconds
    assert any("with 2 workers on 2 GPUs" in line for line in as_text(both))


def test_a_pod_without_its_gpu_is_noticed() -> None:
    answer = Answer({"cuda": None, "devices": ["CPU x86_64"]})
    [found] = findings_on_devices(answer, None, True)
    assert found.level is Level.WARNING
    assert "did the pod come back without one?" in found.sentence
    [found] = findings_on_devices(answer, None, False)
    assert "the tiny grid runs" in found.sentence


def test_a_process_of_a_dead_worker_is_named(tmp_path: Path) -> None:
    worker = tmp_path / "w0-x"
    worker.mkdir()
    dead = replace(me(), start_ticks=me().start_ticks + 1)
    atomic.write_json(worker / LEASE_FILE, {"shim": asdict(dead)})
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"],
        stdin=subprocess.PIPE,
        env={**os.environ, MARKER_VARIABLE: str(worker)},
    )
    try:
        wait_until(lambda: any(f"pid {child.pid} " in text for text in find_strays()))
        atomic.write_json(worker / LEASE_FILE, {"shim": asdict(me())})
        assert not any(f"pid {child.pid} " in text for text in find_strays())
    finally:
        child.kill()
        child.wait()


def test_a_program_that_is_missing_or_silent_is_one_sentence() -> None:
    assert ask("runners.no_such_program").why_not == "runners.no_such_program is not installed"
    assert ask("this").why_not == "this gave no answer (no output)"


def test_a_tokenizer_is_looked_for_in_the_cache_only(tmp_path: Path) -> None:
    assert is_cached("tiny", None, tmp_path)
    assert not is_cached("org/model", "abc", tmp_path)
    folder = tmp_path / "hub" / "models--org--model" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_text("{}")
    assert is_cached("org/model", "abc", tmp_path)
    assert is_cached("org/model", None, tmp_path)
    assert not is_cached("org/model", "def", tmp_path)
