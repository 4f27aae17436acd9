"""What this machine lacks for a config, and how many jobs it can run at once."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from tests.cli.small_grid import write_config
from tuilab.cli.doctor.config_fit import Places, machine_checks, places_for
from tuilab.cli.forecast import as_text, forecast
from tuilab.cli.output import plain
from tuilab.contract import atomic
from tuilab.engine.host.gpus import Device
from tuilab.grid.checks import Check, Level
from tuilab.grid.config import ExperimentConfig
from tuilab.store.replan import plan_with, read_config


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
    assert runners.sentence.startswith("torch not installed")


def test_a_place_that_run_would_refuse_is_told(tmp_path: Path) -> None:
    config = config_with(tmp_path, "")
    resources = config.resources.model_copy(update={"executor": "kube"})
    [found] = machine_checks(config.model_copy(update={"resources": resources}), lambda name: True)
    assert found.sentence.startswith("`run` would refuse: there is no place 'kube' to run on")


def test_a_sampler_that_is_not_there_is_told_before_every_eval_fails(tmp_path: Path) -> None:
    config = config_with(tmp_path, "")
    wants = config.model_copy(update={"eval": config.eval.model_copy(update={"sampler": "vllm"})})
    assert machine_checks(config, lambda name: name != "vllm") == ()
    [found] = machine_checks(wants, lambda name: name != "vllm")
    assert "every eval would fail" in found.sentence


def test_the_key_of_a_judge_that_is_not_set_is_told_before_anything_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rubric.md").write_text("Score it.")
    judge = '[[measures]]\nname = "bad"\nkind = "judge"\nrubric = "rubric.md"\nhit = "score < 30"\n'
    there = '[measures.judge]\nbase_url = "http://x"\nmodel = "m"\nkey_env = "NO_SUCH_KEY"\n'
    config = config_with(tmp_path, judge + there)
    [found] = machine_checks(config, lambda name: True)
    assert found.sentence.startswith("NO_SUCH_KEY is not set here")
    monkeypatch.setenv("NO_SUCH_KEY", "x")
    assert machine_checks(config, lambda name: True) == ()


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
    assert "4, but 2 GPUs can run only 2 jobs at a time" in found.sentence
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


def test_what_is_known_is_told_before_the_base_is_asked(tmp_path: Path) -> None:
    """A runner that imports its libraries for the first time takes seconds to answer."""
    config = config_with(tmp_path, "")
    found, lines = forecast(config, plan_with(config), tmp_path / "runs"), list[str]()
    before: list[str] = []

    def ask() -> list[Check]:
        before.extend(lines)
        return [Check("end-of-turn", Level.OK, "an answer ends with <|im_end|>")]

    for line in as_text(found, ask_base=ask):
        lines.append(line)
    assert [
        one for one in found.checks if not any(plain(one.sentence) in line for line in before)
    ] == []
    assert "<|im_end|>" in lines[len(before)]
