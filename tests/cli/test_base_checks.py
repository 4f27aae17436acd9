"""What makes a base unfit blocks plan and run; the answer is remembered until a file changes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.cli.small_grid import CONFIG, SOURCE, call
from tuilab.store.base_model import base_hash, base_stamps
from tuilab.store.replan import read_config

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


def test_a_template_that_leaves_the_persona_out_blocks_plan_and_run(config: Path) -> None:
    planned = call("plan", str(config))
    assert planned.exit_code == 2
    said = 'the chat template leaves the system prompt out: set [base] system = "fold"'
    assert f"✗  {said}" in planned.stdout
    [kept] = (config.parent / "cache/tuilab/base-checks").iterdir()
    kept.write_text(kept.read_text().replace("leaves the system", "REMEMBERED"))
    started = call("run", str(config), "--headless")
    assert started.exit_code == 2
    assert "REMEMBERED" in started.stderr and "nothing was started" in started.stderr
    assert not config.with_name("runs").exists()


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
