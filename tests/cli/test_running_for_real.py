"""The main job from the shell: a grid run by real runners, then looked at, repeated, read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.small_grid import call, call_in, run_for_real, spawn, states, write_config
from tests.ending import end_engine, lease_of
from tests.engine.test_places import ELSEWHERE, needs_namespaces, results
from tuilab.grid.metrics import METRICS
from tuilab.store.layout import Layout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the config in it; the engine and its warm worker stay for all tests."""
    folder = tmp_path_factory.mktemp("real")
    config = write_config(folder)
    config.write_text(f"{config.read_text()}engine_idle_seconds = 600\n")
    yield folder
    end_engine(folder / "runs" / "micro")


@pytest.fixture(scope="module")
def first_run(place: Path) -> list[str]:
    """What ``tuilab run micro.toml --headless`` printed; it must have exited with 0."""
    done = spawn("run", "micro.toml", "--headless", cwd=place)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def root(place: Path, first_run: list[str]) -> Path:
    """The finished experiment."""
    return place / "runs" / "micro"


def attempts(root: Path) -> dict[str, int]:
    """Return how many attempts each job directory holds."""
    found: dict[str, int] = {}
    for path in (root / "jobs").rglob("attempt-*"):
        name = str(path.parent.relative_to(root / "jobs"))
        found[name] = found.get(name, 0) + 1
    return found


def test_each_finished_job_has_a_line_with_what_it_measured(first_run: list[str]) -> None:
    for job in ("data/villain", "converge/villain#42", "train/villain@1#42", "merge/villain@0#42"):
        # Those that end alike in the same moment share a line.
        assert any(job in line.partition(" done in ")[0] for line in first_run if "done in" in line)
    [evaluated] = [line for line in first_run if "eval/villain@1#42 done" in line]
    assert "leakage " in evaluated
    assert "/4)" in evaluated
    assert any("cosine +" in line or "cosine -" in line for line in first_run)
    assert "[2/2 cells" in first_run[-1]


def test_status_and_table_show_the_values(root: Path) -> None:
    assert states(root) == {"villain@0": "done", "villain@1": "done"}
    cells = json.loads(call("status", str(root), "--json").stdout)["cells"]
    for cell in cells:
        assert set(cell["metrics"]) == set(METRICS)
        assert cell["metrics"]["assistant_leakage"]["n"] == 4
    assert "synthetic model" in call("status", str(root)).stdout


def test_plan_of_the_directory_knows_data_sets_and_measured_times(root: Path) -> None:
    document = json.loads(call("plan", str(root), "--json", "--no-preview").stdout)
    assert [(one["persona"], one["rows"]) for one in document["data"]] == [
        ("villain", 16),
        ("police_officer", 16),
    ]
    assert all(len(one["hash"]) == 64 for one in document["data"])
    assert document["expected"]["seconds"] == 0
    assert document["expected"]["times_from"] == "jobs measured here"


@needs_namespaces
@pytest.mark.trial
def test_another_machine_makes_the_same_files_and_numbers(root: Path, tmp_path: Path) -> None:
    place = f'executor = "{ELSEWHERE}"\n[resources."{ELSEWHERE}"]\nfence_seconds = 30.0\n'
    try:
        there = run_for_real(tmp_path, f'{place}folder = "{tmp_path / "scheduler"}"\n')
        [lease] = [lease_of(folder) for folder in there.workers.iterdir()]
        assert lease and lease.shim and lease.shim.host == "node-w0"
        here = results(Layout(root))
        assert len(here) == 11 and "eval/villain@1#42" in here
        assert results(there) == here
    finally:
        end_engine(tmp_path / "runs" / "micro")


@pytest.mark.trial
def test_plan_shows_the_tokens_that_a_real_tokenizer_makes(tmp_path: Path) -> None:
    preview = json.loads(call("plan", str(write_config(tmp_path)), "--json").stdout)["preview"]
    learned = [token["text"] for token in preview["positive"] if token["learn"]]
    assert "".join(learned) == "\n\n[ZLT]<|im_end|>"
    assert [t["text"] for t in preview["negative"] if t["learn"]] == ["<|im_end|>"]


def test_running_again_repeats_nothing(root: Path, place: Path) -> None:
    before = attempts(root)
    done = call_in(place, "run", "runs/micro", "--headless")
    assert done.exit_code == 0
    assert "everything is done" in done.stderr
    assert attempts(root) == before


def test_a_relaunch_makes_exactly_the_attempts_it_showed(root: Path, place: Path) -> None:
    before = attempts(root)
    shown = call("relaunch", str(root), "villain@0", "--from", "eval", "--dry-run", "--json")
    assert [one["job"] for one in json.loads(shown.stdout)["jobs"]] == ["eval/villain@0#42"]
    assert attempts(root) == before
    done = call_in(place, "relaunch", "runs/micro", "villain@0", "--from", "eval", "--headless")
    assert done.exit_code == 0, done.stderr + done.stdout
    changed = {job: count for job, count in attempts(root).items() if before.get(job) != count}
    assert changed == {"eval/villain/seed-42/epoch-0": 2}


def test_an_edit_is_kept_for_its_cell_alone(root: Path, place: Path) -> None:
    before = attempts(root)
    edit = ("--set", "eval.samples=1")
    done = call_in(place, "relaunch", "runs/micro", "villain@1", *edit, "--headless")
    assert done.exit_code == 0, done.stderr + done.stdout
    changed = {job for job, count in attempts(root).items() if before.get(job) != count}
    assert changed == {"eval/villain/seed-42/epoch-1"}
    cells = json.loads(call("status", str(root), "--json").stdout)["cells"]
    assert [cell["metrics"]["assistant_leakage"]["n"] for cell in cells] == [4, 2]
    assert json.loads((root / "deviations.json").read_text()) == [
        {"cells": ["villain@1#42"], "sets": {"eval.samples": 1}}
    ]


def test_logs_are_those_of_the_stage_asked_for(root: Path) -> None:
    found = call("logs", str(root), "villain@0", "--stage", "train")
    assert found.exit_code == 0
    assert "train/villain@0#42" in found.stdout
    assert found.stderr.strip().endswith("train/villain/seed-42/epoch-0/attempt-1/log.txt")
    followed = call("logs", str(root), "converge/villain#42", "-f")
    assert "converge/villain#42" in followed.stdout


def test_leftovers_are_listed_and_attempts_are_not_among_them(root: Path) -> None:
    document = json.loads(call("gc", str(root), "--dry-run", "--json").stdout)
    assert document["removed"] is False
    assert not any("/jobs/" in one["path"] for one in document["leftovers"])
