"""Notes from a shell: journaled, listed, in status, table and report, without an engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tests.copies import old_demo
from tuilab.store.layout import Layout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return old_demo(tmp_path / "demo")


def test_a_note_is_written_down_and_stands_where_numbers_do(root: Path) -> None:
    source = json.loads(call("status", str(root), "--json").stdout)["cells"][0]["source"]
    cell = f"{source}@1"
    told = call("note", str(root), cell, "--text", "odd", "--tag", "#Check")
    assert told.exit_code == 0 and "noted" in told.stderr, told.stderr
    assert call("note", str(root), "--text", "for the appendix").exit_code == 0
    assert not Layout(root).lock.exists()
    listed = call("note", str(root)).stdout.splitlines()
    assert listed == ["experiment: for the appendix", f"{cell}#42: #check odd"]
    status = json.loads(call("status", str(root), "--json").stdout)
    assert (status["note"], status["tags"]) == ("for the appendix", [])
    [noted] = [one for one in status["cells"] if one["note"]]
    assert (noted["epoch"], noted["tags"]) == (1, ["check"])
    assert f"{cell}#42: #check odd" in " ".join(call("table", str(root)).stdout.split())
    raw = json.loads(call("table", str(root), "--format", "json").stdout)
    assert raw["notes"] == ["for the appendix", f"{cell}#42: #check odd"]
    assert "noted" in call("history", str(root)).stdout


def test_what_is_no_tag_or_no_cell_is_refused_and_nothing_is_written(root: Path) -> None:
    before = Layout(root).journal.read_bytes()
    assert call("note", str(root), "--tag", "a!").exit_code == 2
    assert call("note", str(root), "--text", "x" * 3000).exit_code == 1
    assert call("note", str(root), "nobody@1", "--text", "x").exit_code != 0
    assert b"noted" not in Layout(root).journal.read_bytes().removeprefix(before)
    assert call("note", str(root)).stdout == "there are no notes\n"
