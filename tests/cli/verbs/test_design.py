"""``tuilab design``: seeds, completions and hours for a change."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.small_grid import call
from tuilab.cli.resolve import published_dir
from tuilab.study.design_power import next_seed
from tuilab.study.study import open_study


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


def test_what_is_not_decided_says_where_the_next_seed_decides_most() -> None:
    [found] = next_seed(open_study(published_dir()), 20, 10)
    assert found.source == "software_engineer" and found.level < -0.1
    assert found.chance == 0  # two seeds have one degree of freedom: they decide nothing of it


def test_the_plan_of_a_grid_that_finds_no_change_says_so_in_words(here: Path) -> None:
    Path("small.toml").write_text('extends = "tiny.toml"\nepochs = [0, 2]\nseeds = [42, 43]\n')
    told = call("plan", "small.toml", "--no-preview").stdout
    assert "finds, with 80 % power, no change of the level, even if training scatters" in told
