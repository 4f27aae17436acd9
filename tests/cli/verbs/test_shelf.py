"""Experiments are deleted, archived and renamed from a shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tests.copies import old_demo


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return old_demo(tmp_path / "runs" / "demo")


def test_delete_says_what_and_how_much_and_asks(root: Path) -> None:
    shown = call("delete", str(root), "--dry-run")
    assert "files" in shown.stdout and "done" in shown.stdout
    assert call("delete", str(root)).exit_code == 1 and root.is_dir()
    raw = json.loads(call("delete", str(root), "--dry-run", "--json").stdout)
    assert raw["files"] > 10 and raw["deleted"] is False
    assert call("delete", str(root), "--yes").exit_code == 0 and not root.exists()


def test_the_published_results_stay() -> None:
    found = call("delete", "published", "--yes")
    assert found.exit_code == 1 and "come with tuilab" in found.stderr


def test_archive_and_rename_print_where_it_is_now(root: Path) -> None:
    there = call("archive", str(root)).stdout.strip()
    assert there == str(root.parent / "archive" / "demo")
    back = call("archive", there).stdout.strip()
    named = call("rename", back, "other").stdout.strip()
    assert Path(named).name == "other" and call("status", named).exit_code == 0
