"""``tuilab table``, of an experiment that is known by its name."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.small_grid import call


def test_published_is_known_from_any_folder(here: Path) -> None:
    table = call("table", "published", "--format", "json")
    assert table.exit_code == 0
    rows = {row["source"]: row for row in json.loads(table.stdout)["rows"]}
    assert rows["villain"]["peak_epoch"] == 10
    assert rows["nurse"]["cosine"] is None
    plot = call("plot", "published", "cosine", "--ascii")
    assert plot.exit_code == 0 and "No cosine (n/a): Nurse" in plot.stdout


def test_an_unknown_format_kind_or_experiment_is_a_usage_error(here: Path) -> None:
    assert call("table", "published", "--format", "pdf").exit_code == 2
    assert call("plot", "published", "pie").exit_code == 2
    assert call("table", "nowhere").exit_code == 2
