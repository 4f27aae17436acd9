"""A person's own files: a wrong entry costs itself alone, and nothing ever raises."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuilab.store.user_files import (
    config_file,
    load_user_config,
    remember,
    remembered,
    state_dir,
    user_config,
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    config_file().parent.mkdir(parents=True)
    return config_file()


def test_the_folders_are_those_of_xdg() -> None:
    assert config_file({"XDG_CONFIG_HOME": "/c"}) == Path("/c/tuilab/config.toml")
    assert state_dir({"XDG_STATE_HOME": "relative"}) == Path.home() / ".local/state/tuilab"


def test_without_a_file_all_has_its_default(file: Path) -> None:
    assert user_config() is None
    assert load_user_config().problems == ()


def test_wrong_entries_are_named_with_the_nearest_and_the_others_hold(file: Path) -> None:
    file.write_text(
        """theem = "nord"
metric = "leakge"
[notify]
on = ["dne"]
bell = false
[price]
gpu_hour = 2.5
"""
    )
    loaded = load_user_config()
    assert loaded.config.price.gpu_hour == 2.5 and not loaded.config.notify.bell
    assert loaded.config.notify.on == ("done", "failed", "stalled", "paused", "gone")
    said = {one.field: one.message for one in loaded.problems}
    assert said["theem"] == "unknown key (did you mean theme?)"
    assert "did you mean leakage?" in said["metric"]
    assert "did you mean done?" in said["notify.on[0]"]


@pytest.mark.parametrize(
    "content", [b"theme = ", b"\xff\xfe", b"theme = 3", b"[notify]\nnotify = 1", b"notify = 3"]
)
def test_no_content_raises(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    loaded = load_user_config()
    assert loaded.problems and loaded.config.theme is None


def test_a_folder_in_its_place_is_said(file: Path) -> None:
    file.mkdir()
    [problem] = load_user_config().problems
    assert "directory" in problem.message


def test_a_word_is_remembered_and_a_home_that_takes_none_is_no_trouble(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember("theme", "nord")
    assert remembered("theme") == "nord"
    (tmp_path / "plain").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "plain"))
    remember("theme", "light")
    assert remembered("theme") == ""
