"""Notices from a shell: what is set, and a trial of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tuilab.store.user_files import config_file


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    config_file().parent.mkdir(parents=True)


def test_a_trial_sends_to_all_and_exits_1_if_one_fails(tmp_path: Path) -> None:
    config_file().write_text(
        f'[notify]\ncommand = ["touch", "{tmp_path}/told"]\nwebhook = "http://127.0.0.1:1/S3CRET"\n'
    )
    found = call("notify", "--test")
    assert found.exit_code == 1 and (tmp_path / "told").exists()
    assert found.stdout.splitlines() == [
        "command touch: sent",
        "webhook 127.0.0.1: cannot be reached: Connection refused",
    ]
    raw = json.loads(call("notify", "--test", "--json").stdout)
    assert raw["sent"][0]["problem"] is None


def test_without_an_address_it_says_where_one_goes() -> None:
    found = call("notify", "--test")
    assert found.exit_code == 1 and str(config_file()) in found.stderr


def test_an_address_is_never_shown() -> None:
    config_file().write_text('[notify]\nwebhook = "http://x/S3CRET"\napprise = ["ntfy://S3CRET"]\n')
    for words in (("notify",), ("notify", "--json")):
        shown = call(*words).stdout
        assert "S3CRET" not in shown and "webhook" in shown
