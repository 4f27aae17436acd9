"""An experiment made by any earlier release opens, goes on, and loses nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tuilab.grid.engine_view import EngineState
from tuilab.grid.ledger import Ledger
from tuilab.store.evidence import missing_lines, scan
from tuilab.store.lease import acquire
from tuilab.store.measurements import completions, measurement_rows
from tuilab.store.reader import Reader
from tuilab.store.recovery import recover
from tuilab.store.requests import pending
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
    known.evidence = {job: reader.recorded(job) for job in reader.plan.by_id}
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
