"""The warm worker: many jobs in one process, a failure costs one job, and it ends cleanly."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from runners import serve, serve_fresh
from runners.ml.model_cache import ModelCache
from tests.forked import Forked
from tests.runners.chain import Chain, outcome_of
from tests.runners.conftest import run_here
from tuilab.contract import worker
from tuilab.contract.report import EVENTS_FILE, OUTCOME_FILE

CELL = "villain@2#42"
DEADLINE = 300.0


@contextmanager
def a_worker(directory: Path) -> Iterator[Forked]:
    """Run the worker's program in a process of its own; end it whatever happens."""
    directory.mkdir()
    marker = {"TUILAB_WORKER": str(directory)}
    process = Forked(serve.main, directory / worker.LOG_FILE, marker, [str(directory)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(what: Callable[[], bool], process: Forked) -> None:
    """Poll with a deadline; fail at once when the worker has left."""
    end = time.monotonic() + DEADLINE
    while not what():
        assert process.poll() is None, f"the worker left with {process.returncode}"
        assert time.monotonic() < end, "the deadline passed"
        time.sleep(0.01)


def write_all(cell: Chain, names: list[str]) -> list[Path]:
    """Write new attempts that all read the finished cell's results."""
    return [replace(cell, attempts=dict(cell.attempts)).write(name) for name in names]


def test_a_crash_costs_its_own_job_only(
    cell: Chain,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    names = [f"train/{CELL}", f"eval/{CELL}", f"merge/{CELL}", f"cosine/{CELL}"]
    served = write_all(cell, names)
    monkeypatch.setenv("TUILAB_FAULT", f"eval:code:{CELL}")
    for number, directory in enumerate(served, start=1):
        worker.assign(tmp_path, number, directory)
    (tmp_path / worker.INBOX / worker.CLOSE_FILE).touch()
    with capfd.disabled():  # pytest's own stdout does not follow file descriptor 1
        assert serve.serve(tmp_path) == 0
    train, crashed, merge, cosine = (outcome_of(directory) for directory in served)
    assert (crashed.status, crashed.reason) == ("failed", "code")
    assert "an injected fault" in crashed.detail
    assert "Traceback" in (served[1] / "log.txt").read_text()
    assert "Traceback" not in (served[2] / "log.txt").read_text()
    for name, outcome in zip(names, (train, None, merge, cosine), strict=True):
        if outcome is not None:
            assert outcome.output_hash == outcome_of(cell.attempts[name]).output_hash
    assert (tmp_path / worker.INBOX / worker.CLOSED_FILE).exists()


def test_what_is_finished_or_unreadable_is_skipped(
    cell: Chain, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    finished = cell.attempts[f"merge/{CELL}"]
    stamp = (finished / OUTCOME_FILE).stat().st_mtime_ns
    worker.assign(tmp_path, 1, finished)
    (tmp_path / worker.INBOX / "000002.json").write_text("{ half")
    worker.assign(tmp_path, 3, tmp_path / "nowhere")
    [last] = write_all(cell, [f"merge/{CELL}"])
    worker.assign(tmp_path, 4, last)
    assert serve.serve(tmp_path, idle_seconds=0.0) == 0
    assert (finished / OUTCOME_FILE).stat().st_mtime_ns == stamp
    assert outcome_of(last).status == "done"
    out = capfd.readouterr().out
    assert "assignment 3" in out and "cannot be read" in out
    assert "idle for 0 s" in out


def test_a_held_worker_begins_nothing_and_leaves_when_it_idles_for_long(tmp_path: Path) -> None:
    served = []
    worker.assign(tmp_path, 1, tmp_path / "attempt-1")
    (tmp_path / worker.INBOX / worker.CLOSE_FILE).touch()
    worker.mark(tmp_path, worker.HOLD_FILE, on=True)
    assert serve.serve_all(tmp_path, lambda one: served.append(one.number), 0.05) == 0
    assert served == []
    assert (tmp_path / worker.INBOX / worker.CLOSED_FILE).exists()
    worker.mark(tmp_path, worker.HOLD_FILE, on=False)
    serve.serve_all(tmp_path, lambda one: served.append(one.number), 0.05)
    assert served == [1]


def test_a_second_leaver_does_not_mind_that_it_is_closed_already(tmp_path: Path) -> None:
    (tmp_path / worker.INBOX).mkdir()
    (tmp_path / worker.INBOX / worker.CLOSED_FILE).touch()
    assert serve.leave(tmp_path, "again") == 0


@pytest.mark.trial
def test_each_job_in_a_process_of_its_own_makes_the_same_and_a_sudden_death_ends_the_worker(
    cell: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cell was run warm, in this process; the hash covers the adapter."""
    train, merge = f"train/{CELL}", f"merge/{CELL}"
    made, died, never = served = write_all(cell, [train, merge, merge])
    monkeypatch.setenv("TUILAB_FAULT", f"merge:exit-137:{CELL}")
    for number, directory in enumerate(served, start=1):
        worker.assign(tmp_path, number, directory)
    assert serve_fresh.serve(tmp_path) == 137
    warm, fresh = outcome_of(cell.attempts[train]), outcome_of(made)
    assert fresh.output_hash == warm.output_hash
    assert fresh.metrics == warm.metrics
    assert losses(made) == losses(cell.attempts[train])
    assert fresh.environment["pid"] != os.getpid()
    assert not (died / OUTCOME_FILE).exists() and not (never / OUTCOME_FILE).exists()
    assert (tmp_path / worker.INBOX / worker.CLOSED_FILE).exists()


def losses(attempt: Path) -> list[float]:
    events = map(json.loads, (attempt / EVENTS_FILE).read_text().splitlines())
    return [event["loss"] for event in events if event["kind"] == "metric"]


@pytest.mark.trial
def test_a_worker_process_repeats_results_and_on_sigterm_leaves_a_state_to_resume_from(
    cell: Chain, tmp_path: Path, cache: ModelCache
) -> None:
    name = "converge/villain#42"
    settings = cell.settings("converge", "villain#42")
    long = {**settings["training"], "epochs": 15, "batch_size": 1}
    changes = {"converge": {"training": long, "checkpoints": [1, 15]}}
    [evaluated] = write_all(cell, [f"eval/{CELL}"])
    copy = replace(cell, changes=changes, attempts=dict(cell.attempts))
    first = copy.write(name)
    home = tmp_path / "worker"
    with a_worker(home) as process:
        worker.assign(home, 1, evaluated)
        worker.assign(home, 2, first)
        wait_for((first / "epoch-01" / "lineage.json").exists, process)
        process.terminate()
        assert process.wait(DEADLINE) == 0
    same = outcome_of(cell.attempts[f"eval/{CELL}"])
    assert outcome_of(evaluated).output_hash == same.output_hash
    assert outcome_of(evaluated).environment["pid"] == process.pid
    assert "asked to stop" in (home / worker.LOG_FILE).read_text()

    stopped = outcome_of(first)
    assert (stopped.status, stopped.reason) == ("failed", "killed")
    assert "ended early: asked to stop by SIGTERM" in (first / "log.txt").read_text()
    assert "SIGTERM" in stopped.detail
    [kept] = (first / "resume").iterdir()
    assert 6 <= int(kept.name.removeprefix("step-")) < 90
    whole = run_here(copy, name, cache)
    resumed = run_here(copy, name, cache, resume_from=f"../{first.name}")
    assert resumed.metrics["resumed_at"] == int(kept.name.removeprefix("step-"))
    assert resumed.output_hash == whole.output_hash
    assert not (copy.attempts[name] / "resume").exists()
