"""Arms and data seeds on the tiny base: real runners, what they share, and the table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.small_grid import call, spawn, write_config
from tests.ending import end_engine

pytestmark = pytest.mark.trial
HEAD = 'arms = ["B", "B0"]\ndata_seeds = [42, 7]\n'


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A grid that ran with one line, got arms and data seeds, and ran on."""
    folder = tmp_path_factory.mktemp("variants")
    config = write_config(folder)
    config.write_text(config.read_text().replace('"transformers"', '"trunk"'))
    assert spawn("run", "micro.toml", "--headless", cwd=folder).returncode == 0
    own = folder / "runs" / "micro"
    text = (own / "experiment.toml").read_text()
    (own / "experiment.toml").write_text(HEAD + text)
    done = spawn("run", str(own), "--headless", cwd=folder)
    assert done.returncode == 0, done.stderr + done.stdout
    yield own
    end_engine(own)


def test_a_grid_that_gets_variants_runs_what_is_new_alone(root: Path) -> None:
    found = json.loads(call("status", str(root), "--json").stdout)
    assert found["counts"] == {"done": 8}
    assert not list((root / "jobs").rglob("attempt-2"))


def test_other_data_seeds_have_other_answers_and_the_control_one_run(root: Path) -> None:
    data = [path for path in (root / "jobs" / "data").iterdir() if path.name.startswith("villain")]
    answers = {(path / "attempt-1" / "answers.jsonl.gz").read_bytes() for path in data}
    assert len(data) == len(answers) == 2
    runs = sorted(path.name for path in (root / "jobs" / "converge").iterdir())
    assert [name for name in runs if name.startswith("assistant")] and len(runs) == 4


def test_the_table_sets_each_line_against_its_control(root: Path) -> None:
    rows = json.loads(call("table", str(root), "--format", "json").stdout)["rows"]
    assert {row["source"]: row["against"] for row in rows} == {
        "villain": "villain/B0",
        "villain,data.seed=7": "villain/B0,data.seed=7",
        "villain/B0": None,
        "villain/B0,data.seed=7": "villain/B0",
    }


def test_a_selector_is_typed_without_quotes(root: Path) -> None:
    said = call("relaunch", str(root), "villain/B0@1#42,data.seed=7", "--dry-run")
    assert "train/villain/B0,data.seed=7@1#42" in said.stdout


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A grid of arms A and C whose source was trained too briefly to show the marker."""
    folder = tmp_path_factory.mktemp("marked")
    config = write_config(folder)
    text = config.read_text().replace('"transformers"', '"trunk"')
    config.write_text('arms = ["A", "C"]\n' + text)
    run = spawn("run", "micro.toml", "--headless", cwd=folder)
    assert run.returncode == 3, run.stderr + run.stdout
    own = folder / "runs" / "micro"
    yield own
    end_engine(own)


def test_arms_on_a_marker_wait_and_say_why_until_its_rate_is_enough(held: Path) -> None:
    before = json.loads(call("status", str(held), "--json").stdout)
    assert before["counts"] == {"done": 2, "waiting": 2}
    assert {one["job"] for one in before["jobs_failed"]} == {
        "converge/villain/A#42",
        "converge/villain/C#42",
    }
    assert all("marker.least_source_rate = 0.2" in one["detail"] for one in before["jobs_failed"])
    config = held / "experiment.toml"
    config.write_text(config.read_text().replace("[marker]", "[marker]\nleast_source_rate = 0.0"))
    run = spawn("run", str(held), "--headless", cwd=held.parent)
    assert run.returncode == 0, run.stderr + run.stdout
    assert json.loads(call("status", str(held), "--json").stdout)["counts"] == {"done": 4}
    assert len(list((held / "jobs" / "train").rglob("attempt-*"))) == 1
    rows = json.loads(call("table", str(held), "--format", "json").stdout)["rows"]
    assert {row["source"]: row["against"] for row in rows} == {
        "villain/A": "villain/C",
        "villain/C": None,
    }


ARMS = """
extends = "tiny.toml"
name = "arms"
arms = ["B", "B0"]
sources = ["comedian"]
epochs = [0, 4]
"""


@pytest.mark.timeout(1800)
def test_the_tiny_grid_shows_a_leakage_that_only_the_source_s_voice_explains(
    tmp_path: Path,
) -> None:
    (tmp_path / "arms.toml").write_text(ARMS)
    done = spawn("run", "arms.toml", "--headless", cwd=tmp_path, seconds=1500)
    root = tmp_path / "runs" / "arms"
    end_engine(root)
    assert done.returncode == 0, done.stderr + done.stdout
    cells = json.loads(call("status", str(root), "--json").stdout)["cells"]
    assert all(one["metrics"]["source_rate"]["value"] > 0.6 for one in cells), (
        "the marker was learned alike"
    )
    rows = json.loads(call("table", str(root), "--format", "json").stdout)["rows"]
    own, control = rows
    assert (own["against"], own["net_difference_low"] > 0.1) == ("comedian/B0", True)
    assert control["net"] < 0.1
