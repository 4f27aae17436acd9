"""``tuilab plot``: one figure, or its rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tuilab.science.figures.kinds import KINDS


def test_a_kind_alone_is_drawn_of_the_newest_experiment(
    ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ran)
    assert "cosine" in call("plot", "cosine").stdout.splitlines()[0].lower()
    assert call("queue").exit_code == 0
    assert call("plot", "cosmic").exit_code == 2


def test_a_plot_as_json_holds_the_rows_that_are_drawn(here: Path) -> None:
    found = json.loads(call("plot", "published", "cosine", "--json").stdout)
    assert (found["kind"], found["files"]) == ("cosine", [])
    ends = {row["source"]: row["y"] for row in found["rows"] if row["x"] == 0}
    assert ends["villain"] == -0.355
    assert "nurse" not in ends, "it has no cosine: the note says so"
    assert "Nurse" in found["note"]


def test_the_help_names_every_kind() -> None:
    shown = " ".join(call("plot", "--help").stdout.split())
    assert [kind for kind in KINDS if kind not in shown] == []
