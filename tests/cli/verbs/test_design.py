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
    assert found.exit_code == 2 and "there is no source 'pirate': use villain" in found.stderr
    found = call("design", "published")
    assert found.exit_code == 2 and "design CONFIG --noise-of published" in found.stderr


def test_an_earlier_table_tells_the_noise_of_training_as_its_classes_take_it(here: Path) -> None:
    found = call("design", "eps109", "--noise-of", "published", "--source", "nurse", "--json")
    [told] = json.loads(found.stdout)["designs"]
    assert "published: the scatter of its checkpoints about a line" in told["noise"]["told"]
    # Root of the mean residual variance of seven courses, less counting; 2.8 between neighbours.
    assert 0.038 < told["noise"]["training"] < 0.042
    assert abs(told["noise"]["rate"] - 0.134) < 0.001


def test_an_experiment_with_too_few_checkpoints_lends_no_noise(here: Path, ran: Path) -> None:
    found = call("design", "eps109", "--noise-of", str(ran))
    assert found.exit_code == 2 and "does not show the noise of training" in found.stderr


def test_what_is_not_decided_says_where_the_next_seed_decides_most() -> None:
    [found] = next_seed(open_study(published_dir()), 20, 10)
    assert found.source == "software_engineer" and found.level < -0.1
    assert found.chance == 0  # two seeds have one degree of freedom: they decide nothing of it


def test_the_plan_of_a_grid_that_finds_no_change_says_so_in_words(here: Path) -> None:
    Path("small.toml").write_text('extends = "tiny.toml"\nepochs = [0, 2]\nseeds = [42, 43]\n')
    told = call("plan", "small.toml", "--no-preview").stdout
    assert "with 80 % power it finds no change of the level, even if training scatters" in told
