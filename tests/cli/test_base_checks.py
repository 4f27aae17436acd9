"""What makes a base unfit blocks plan and run; the answer is remembered until a file changes."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.small_grid import CONFIG, SOURCE, call
from tuilab.cli.base_checks import as_fetched, question_about, remembered
from tuilab.store.base_model import base_hash, base_stamps
from tuilab.store.experiment import create_experiment
from tuilab.store.replan import config_of, plan_with, read_config

SHIPPED = SOURCE / "runners/tinybase/shipped"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config of a base in a folder, whose template leaves the system role out."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(SHIPPED, tmp_path / "own")
    template = tmp_path / "own" / "chat_template.jinja"
    whole = template.read_text()
    template.write_text(whole.replace("in messages", "in messages if message.role != 'system'"))
    path = tmp_path / "micro.toml"
    path.write_text(CONFIG.replace('model = "tiny"', f'model = "{tmp_path}/own"'))
    return path


def answer(config: Path) -> dict[str, Any]:
    """Let the program answer in this process, where its libraries are loaded already."""
    from runners.mask_preview import answer

    return answer(question_about(read_config(config).config))


@pytest.mark.trial
def test_plan_asks_the_program_once_and_remembers_its_answer(config: Path) -> None:
    assert call("plan", str(config)).exit_code == 2
    [kept] = (config.parent / "cache/tuilab/base-checks").iterdir()
    assert kept == remembered(read_config(config).config)
    assert json.loads(kept.read_text()) == json.loads(json.dumps(answer(config)))


def test_a_template_that_leaves_the_persona_out_blocks_plan_and_run(config: Path) -> None:
    kept = remembered(read_config(config).config)
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps(answer(config)))
    planned = call("plan", str(config))
    assert planned.exit_code == 2
    said = 'the chat template leaves the system prompt out: set [base] system = "fold"'
    assert f"✗  {said}" in planned.stdout
    kept.write_text(kept.read_text().replace("leaves the system", "REMEMBERED"))
    started = call("run", str(config), "--headless")
    assert started.exit_code == 2
    assert "REMEMBERED" in started.stderr and "nothing was started" in started.stderr
    assert not config.with_name("runs").exists()
    loaded = read_config(config)
    there = create_experiment(config.with_name("made"), loaded.text, plan_with(loaded.config))
    again = call("run", str(there.root), "--headless")
    assert (again.exit_code, "REMEMBERED" in again.stderr) == (2, True)
    assert not there.engine.exists()


def test_a_base_beside_its_config_is_the_same_from_any_folder(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(CONFIG.replace('model = "tiny"', 'model = "own"'))
    (config.parent / "elsewhere").mkdir()
    monkeypatch.chdir(config.parent / "elsewhere")
    loaded = read_config(config)
    assert loaded.config.base.model == str(config.with_name("own"))
    assert config_of(Path("runs/x/experiment.toml"), loaded.text).config == loaded.config


def test_a_base_is_asked_about_at_the_commit_that_its_experiment_fetched(config: Path) -> None:
    config.write_text(CONFIG.replace('model = "tiny"', 'model = "org/name"'))
    loaded = read_config(config).config
    plan = plan_with(loaded)
    assert as_fetched(loaded, plan).base.revision is None
    found = as_fetched(loaded, replace(plan, commits={plan.jobs[0].id: "c" * 40}))
    assert found.base.revision == "c" * 40


def test_another_template_is_another_base_to_the_plan_and_to_what_is_remembered(
    config: Path,
) -> None:
    loaded = read_config(config).config
    before = base_hash(loaded), base_stamps(loaded)
    assert before[0] and before[1]
    template = config.with_name("own") / "chat_template.jinja"
    os.utime(template, (1, 1))
    assert base_hash(loaded) == before[0] and base_stamps(loaded) != before[1]
    template.write_text(template.read_text() + "\n")
    assert base_hash(loaded) != before[0]


@pytest.mark.parametrize(
    ("gone", "said"),
    [("model.safetensors", "holds no weights as safetensors"), ("config.json", "no config.json")],
)
def test_a_folder_that_is_no_whole_base_blocks_plan_and_run(
    gone: str, said: str, config: Path
) -> None:
    (config.parent / "own" / gone).unlink()
    planned = call("plan", str(config))
    assert planned.exit_code == 2 and said in planned.stdout
    started = call("run", str(config), "--headless")
    assert started.exit_code == 2 and said in started.stderr
    assert not config.with_name("runs").exists()
