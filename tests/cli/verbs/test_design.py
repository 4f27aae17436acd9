"""``tuilab design``: seeds, completions and hours for a change."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.small_grid import call


def test_a_config_is_told_what_a_change_needs(here: Path) -> None:
    found = call("design", "eps109", "--sd", "6", "--json")
    assert found.exit_code == 0, found.stderr
    [told] = json.loads(found.stdout)["designs"]
    best = told["needed"]
    assert best["power"] >= 0.8 and best["gpu_hours"] > 0
    better = [one for one in told["options"] if one["power"] >= 0.8]
    assert best["gpu_hours"] == min(one["gpu_hours"] for one in better)
    assert {one["n"] for one in told["options"]} == {100, 200, 400, 800}


def test_what_cannot_be_asked_is_refused(here: Path) -> None:
    found = call("design", "eps109", "--source", "pirate")
    assert found.exit_code == 2 and "pirate is not a source: villain" in found.stderr
    assert call("design", "published").exit_code != 0
