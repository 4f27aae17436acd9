"""An experiment made by any earlier release opens, goes on, and loses nothing."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from tuilab.grid.acceptance import acceptances
from tuilab.grid.engine_view import EngineState
from tuilab.grid.grow_config import More
from tuilab.grid.jobs import PLAN_SCHEMA
from tuilab.grid.ledger import Ledger
from tuilab.grid.stages import Stage
from tuilab.store.attempts import kept_checkpoints
from tuilab.store.evidence import missing_lines, scan
from tuilab.store.growth import propose
from tuilab.store.journal import Journal
from tuilab.store.layout import Layout
from tuilab.store.lease import acquire
from tuilab.store.measurements import completions, measurement_rows
from tuilab.store.old_settings import OldSettings
from tuilab.store.plan_file import PlanFileError
from tuilab.store.read_state import read_state
from tuilab.store.reader import Reader
from tuilab.store.recovery import recover
from tuilab.store.replan import current_plan
from tuilab.store.requests import pending
from tuilab.store.snapshot import Snapshot
from tuilab.store.status import status

from . import old_experiment
from .scene import NOW

FIXTURES = Path(__file__).parents[1] / "fixtures"
RELEASES = sorted(path.name for path in FIXTURES.glob("experiment-*"))
TRUTH = {
    "villain@0#42": ("done", None, None, 2),
    "villain@2#42": ("failed", "train", "nan-loss", 1),
    "comedian@0#42": ("lost", "eval", "killed", 1),
    "comedian@2#42": ("idle", "train", None, 0),
}


@pytest.fixture(params=RELEASES)
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy, as after a download: other inodes, other times, same contents."""
    place = tmp_path / request.param
    shutil.copytree(FIXTURES / request.param, place, symlinks=True)
    for name in ("requests", "workers"):  # git keeps no empty folders
        (place / name).mkdir(exist_ok=True)
    return place


def test_the_first_release_is_among_them() -> None:
    assert "experiment-0.1" in RELEASES


def test_states_reasons_and_numbers_are_as_they_were(root: Path) -> None:
    snapshot = Reader(root).poll(NOW)
    found = {
        str(view.cell): (view.state.value, view.stage, view.reason, view.attempt)
        for view in snapshot.cells
    }
    assert found == TRUTH
    done = next(view for view in snapshot.cells if str(view.cell) == "villain@0#42")
    shown = {name: (metric.value, metric.n) for name, metric in done.metrics.items()}
    assert shown["assistant_leakage"] == (0.25, 4)
    assert shown["source_rate"] == (1.0, 4)
    assert shown["max_bystander"] == (0.0, 4)
    assert snapshot.engine.state is EngineState.STOPPED
    assert snapshot.engine.pause == "soft"
    assert snapshot.problems == ()


def test_the_status_is_the_same_as_the_reader_s(root: Path) -> None:
    found = status(root, NOW)
    assert {
        f"{cell['source']}@{cell['epoch']}#{cell['seed']}": cell["state"] for cell in found["cells"]
    } == {name: state for name, (state, *_) in TRUTH.items()}


def test_an_engine_takes_it_up_without_a_word(root: Path) -> None:
    reader = Reader(root)
    lease = acquire(reader.layout, NOW)
    recovery = recover(reader.layout, reader.plan, NOW, lease.check)
    assert recovery.losses == ()
    assert [request.verb for request in pending(reader.layout)] == ["relaunch"]


def test_its_attempts_still_satisfy_their_contract(root: Path) -> None:
    reader = Reader(root)
    reader.poll(NOW)
    found = scan(reader.layout, reader.plan, hash_files=True)
    for job, evidence in found.evidence.items():
        recorded = reader.recorded(job)
        if job == "eval/comedian@0#42":
            continue
        assert [a.verdict for a in evidence.attempts] == [a.verdict for a in recorded.attempts]
        assert [a.output_hash for a in evidence.attempts] == [
            a.output_hash for a in recorded.attempts
        ]
    known = Ledger()
    known.evidence.update((job, reader.recorded(job)) for job in reader.plan.by_id)
    assert missing_lines(known, found) == []


def test_its_values_and_completions_can_be_read(root: Path) -> None:
    reader = Reader(root)
    rows = measurement_rows(reader, NOW)
    assert sum(row["status"] == "measured" and row["metric"] == "leakage" for row in rows) == 3
    cell = reader.poll(NOW).cells[0].cell
    assert len(list(completions(reader, cell))) == 12


def test_the_script_that_made_the_newest_fixture_still_gives_the_same_states(
    tmp_path: Path,
) -> None:
    scene = old_experiment.make(tmp_path / "again")
    counts = {str(view.cell): view.state.value for view in Reader(scene.root).poll(NOW).cells}
    assert counts == {name: state for name, (state, *_) in TRUTH.items()}


# The finished demo that version 0.1 left behind; its README says what was left out.

NUMBERS = {
    "villain": [0, 0, 2, 2],
    "comedian": [0, 7, 18, 22],
    "medical_doctor": [3, 3, 29, 20],
}
"""Hits of 50 at epochs 0, 1, 2 and 4."""


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    place = tmp_path / "demo"
    shutil.copytree(FIXTURES / "demo-0.1", place)
    return place


def hits(snapshot: Snapshot) -> dict[str, list[int | None]]:
    found: dict[str, list[int | None]] = {}
    for view in snapshot.cells:
        measured = view.metrics["assistant_leakage"]
        found.setdefault(view.cell.source, []).append(measured.hits)
    return found


def test_the_demo_of_0_1_opens_with_its_states_and_numbers(demo: Path) -> None:
    snapshot = Reader(demo).poll(NOW)
    assert snapshot.counts == {"done": 12}
    assert hits(snapshot) == NUMBERS
    assert snapshot.problems == ()


def test_what_0_1_made_turns_stale_once_says_what_keeps_it_and_stays_kept(demo: Path) -> None:
    layout = Layout(demo)
    plan = current_plan(layout)
    assert plan.schema == PLAN_SCHEMA
    snapshot = Reader(demo).poll(NOW)
    assert snapshot.counts == {"stale": 12}
    assert hits(snapshot) == NUMBERS
    assert {view.detail.partition(";")[0] for view in snapshot.cells} == {
        "made by tuilab 0.1, whose train code differs"
    }
    assert all(view.detail.endswith("accept keeps it") for view in snapshot.cells)
    state = read_state(demo, plan)
    jobs = acceptances(
        plan, state.of, plan.cells, OldSettings(layout, plan), partial(kept_checkpoints, layout)
    )
    assert len(jobs) == len(plan.jobs)
    Journal(layout).append("accepted", jobs=jobs, by="ada", why="0.2 measures the same")
    after = Reader(demo).poll(NOW)
    assert after.counts == {"done": 12}
    assert hits(after) == NUMBERS
    kept = after.cells[0].accepted["eval"]
    assert (
        kept
        == "made by tuilab 0.1, whose eval code differs; accepted by ada: 0.2 measures the same"
    )


def test_the_settings_of_0_1_are_compared_exactly(demo: Path) -> None:
    layout = Layout(demo)
    layout.config.write_text(
        layout.config.read_text().replace("samples = ", "samples = 1  # was ", 1)
    )
    current_plan(layout)
    view = Reader(demo).poll(NOW).cells[0]
    evaluated = next(status for status in view.jobs if status.stage is Stage.EVAL)
    assert evaluated.detail.startswith("eval.samples ")
    assert "→ 1" in evaluated.detail
    assert "made by tuilab 0.1" in evaluated.detail


def test_a_grid_of_0_1_that_was_kept_grows_without_running_a_finished_cell(demo: Path) -> None:
    layout = Layout(demo)
    plan = current_plan(layout)
    state = read_state(demo, plan)
    jobs = acceptances(
        plan, state.of, plan.cells, OldSettings(layout, plan), partial(kept_checkpoints, layout)
    )
    Journal(layout).append("accepted", jobs=jobs, by="ada", why="0.2 measures the same")
    found = propose(layout, plan, lambda one: read_state(demo, one), More(epochs=(3,)))
    assert (found.growth.kept, found.growth.stale) == (12, {})
    assert {one.job.partition("@")[2] for one in found.growth.run.jobs} == {"", "3#42"}


def test_an_experiment_of_a_newer_version_gets_one_sentence(demo: Path) -> None:
    text = (demo / "plan.json").read_text()
    (demo / "plan.json").write_text(text.replace('"schema": 1', '"schema": 99', 1))
    with pytest.raises(PlanFileError, match="schema 99, newer than this program's") as told:
        Reader(demo)
    assert str(told.value).endswith("update tuilab")


def test_lines_and_specs_of_a_newer_version_cost_nothing_but_themselves(demo: Path) -> None:
    layout = Layout(demo)
    Journal(layout).append("quantised", jobs=["eval/villain@0#42"], bits=4)
    spec = layout.attempt_dir("eval/villain@0#42", 1) / "spec.json"
    spec.write_text(spec.read_text().replace('"schema": 1', '"schema": 99', 1))
    snapshot = Reader(demo).poll(NOW)
    assert snapshot.counts == {"done": 12}
    assert hits(snapshot) == NUMBERS
