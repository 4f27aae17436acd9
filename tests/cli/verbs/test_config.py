"""The person's config from a shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tuilab.engine.places import _options
from tuilab.store.user_files import config_file


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_edit_makes_a_file_that_holds_every_setting_and_show_finds_it_sound() -> None:
    assert "not there yet" in call("config", "show").stdout
    made = call("config", "edit")
    assert made.stdout.strip() == call("config", "path").stdout.strip() == str(config_file())
    assert "# gpu_hour" in config_file().read_text()
    shown = call("config", "show")
    assert shown.exit_code == 0 and "not there yet" not in shown.stdout


def test_show_names_all_that_is_wrong_and_exits_2() -> None:
    config_file().parent.mkdir(parents=True)
    config_file().write_text('theme = "nrod"\n[keys]\n"grid.mark" = "r"\n')
    shown = call("config", "show")
    assert shown.exit_code == 2
    assert "did you mean nord?" in shown.stderr and "grid.relaunch" in shown.stderr
    raw = json.loads(call("config", "show", "--json").stdout)
    assert len(raw["problems"]) == 2 and raw["settings"]["price"]["currency"] == "$"


def test_keys_lists_the_actions_and_the_keys_in_force() -> None:
    config_file().parent.mkdir(parents=True)
    config_file().write_text('[keys]\n"grid.mark" = "ctrl+t"\n')
    lines = call("config", "keys").stdout.splitlines()
    assert any(line.split() == ["grid.mark", "ctrl+t", "mark", "the", "cell"] for line in lines)


def test_a_place_of_the_site_is_checked_and_stands_where_a_config_is_silent() -> None:
    config_file().parent.mkdir(parents=True)
    config_file().write_text('[places.slurm]\nsetup = "module load cuda"\n[places.slrm]\n')
    shown = call("config", "show")
    assert shown.exit_code == 2 and "places.slrm: there is no place" in shown.stderr
    assert _options({}, "slurm") == {"setup": "module load cuda"}
    own = {"places": {"slurm": {"setup": "own"}}}
    assert _options(own, "slurm") == {"setup": "own"}
