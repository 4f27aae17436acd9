"""Whatever a file holds or is, it costs its own job or request, is named, and all else goes on."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ending import engine_pid, lease_of
from tests.engine.damage import fuzz
from tests.engine.trials import DEADLINE, Trial
from tuilab.contract.identity import is_alive
from tuilab.contract.worker import LEASE_FILE
from tuilab.grid.request import Request
from tuilab.store.quarantine import quarantined
from tuilab.store.read_state import read_state
from tuilab.store.reader import Reader
from tuilab.store.requests import leave
from tuilab.store.status import status

TRAIN = "train/villain@0#42"
SEED = 20
LEASES = {
    "empty": b"",
    "zeroed": b"\0" * 300,
    "garbage": b'{"shim": {"pid": "x"}}',
    "no object": b"3",
}


def hanging(trial: Callable[..., Trial]) -> tuple[Trial, Path]:
    """Return a grid whose training hangs, and the folder of its worker."""
    grid = trial()
    grid.script(train=[{"do": "hang"}, {}])
    grid.ask("run")
    grid.start("--go")
    grid.wait(lambda: grid.verdicts(TRAIN) == ["running"], "the training running")
    worker = grid.layout.worker_dir(grid.ledger().of(TRAIN).attempts[-1].worker)
    grid.wait(lambda: (found := lease_of(worker)) and found.runner, "a whole lease")
    return grid, worker


def problems(grid: Trial) -> str:
    return "\n".join(Reader(grid.layout.root).poll(time.time()).problems)


def kill_engine(grid: Trial) -> None:
    grid.engines[-1].kill()
    grid.engines[-1].wait(DEADLINE)


def test_a_worker_with_a_damaged_lease_is_found_by_its_marker(trial) -> None:
    grid, worker = hanging(trial)
    before = lease_of(worker)
    for number, (damage, content) in enumerate(LEASES.items(), 1):
        kill_engine(grid)
        (worker / LEASE_FILE).write_bytes(content)
        assert read_state(grid.layout.root).statuses[TRAIN].state == "running", damage
        grid.start("--go")
        grid.wait(lambda n=number: len(quarantined(grid.layout)) == n, f"quarantine of {damage}")
        grid.wait(lambda: lease_of(worker), "the lease written again")
        assert lease_of(worker).shim == before.shim, damage
    assert f"workers/{worker.name}/lease.json" in problems(grid)
    grid.ask("stop", jobs=(TRAIN,))
    assert grid.engines[-1].wait(DEADLINE) == 0
    assert grid.verdicts(TRAIN) == ["stopped"]


def test_a_dead_worker_with_a_damaged_lease_is_gone_and_its_slot_free(trial) -> None:
    grid, worker = hanging(trial)
    lease = lease_of(worker)
    kill_engine(grid)
    for who in (lease.shim, lease.runner):
        os.kill(who.pid, signal.SIGKILL)
        grid.wait(lambda who=who: is_alive(who) is False, "its death")
    for damage in ("zeroed", "garbage"):
        (worker / LEASE_FILE).write_bytes(LEASES[damage])
        assert read_state(grid.layout.root).statuses[TRAIN].state != "running", damage
    assert grid.run("--go") == 0
    assert grid.verdicts(TRAIN) == ["lost", "done"]
    assert grid.all_done()


def with_outcome(grid: Trial, change: dict[str, object]) -> None:
    """Let nothing be settled, and change the outcome of the training."""
    lines = grid.layout.journal.read_text().splitlines(keepends=True)
    grid.layout.journal.write_text("".join(line for line in lines if '"settled"' not in line))
    path = grid.layout.attempt_dir(TRAIN, 1) / "outcome.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": float("nan")},
        {"metrics": [1, 2]},
        *(
            pytest.param(change, marks=pytest.mark.trial)
            for change in (
                {"seconds": "fast"},
                {"finished_at": float("inf")},
                {"detail": {"a": 1}},
                {"attempt": 10**30},
            )
        ),
    ],
    ids=str,
)
def test_an_outcome_of_another_shape_costs_its_own_cell(again, change: dict[str, object]) -> None:
    with_outcome(again, change)
    assert again.run("--go") == 0
    assert again.verdicts(TRAIN)[0] == "suspect"
    told = status(again.layout.root)
    assert {cell["source"]: cell["state"] for cell in told["cells"]} == {
        "villain": "suspect",
        "nurse": "done",
    }
    assert any("attempt-1/outcome.json" in problem for problem in told["problems"])
    json.dumps(told, allow_nan=False)


def test_a_first_event_at_no_time_at_all_stops_nothing(trial) -> None:
    grid, _ = hanging(trial)
    path = grid.layout.attempt_dir(TRAIN, 1) / "events.jsonl"
    for at in ("NaN", "1e999", '"now"'):
        kill_engine(grid)
        lines = path.read_text().splitlines(keepends=True)
        path.write_text(f'{{"seq": 1, "at": {at}, "kind": "started"}}\n' + "".join(lines[1:]))
        assert read_state(grid.layout.root).statuses[TRAIN].state == "running", at
        engine = grid.start("--go")
        grid.wait(lambda pid=engine.pid: engine_pid(grid.layout.root) == pid, f"engine at {at}")
    grid.ask("stop", jobs=(TRAIN,))
    assert engine.wait(DEADLINE) == 0
    assert grid.verdicts(TRAIN) == ["stopped"]


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def not_finite(path: Path) -> None:
    path.write_text('{"schema": 1, "verb": "run", "options": {"x": NaN}}')


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def deep(path: Path) -> None:
    path.write_text('{"schema": 1, "verb": "run", "options": ' + '{"a":' * 300 + "1" + "}" * 301)


def test_a_request_that_is_none_is_put_away_and_the_next_one_answered(trial) -> None:
    grid = trial()
    odd = (pipe, endless, not_finite, loop, deep)
    for number, put in enumerate(odd, 1):
        put(grid.layout.requests / f"0000000000000000{number}-1-x.json")
    grid.ask("run", jobs=("data/villain",))
    assert grid.run("--go") == 0
    assert grid.verdicts("data/villain") == ["done"]
    told = problems(grid)
    for number, put in enumerate(odd, 1):
        name = f"requests/0000000000000000{number}-1-x.json is in quarantine"
        assert name in told, put.__name__


def test_a_journal_that_is_a_folder_is_put_away_and_made_again(again) -> None:
    again.layout.journal.unlink()
    again.layout.journal.mkdir()
    assert status(again.layout.root)["counts"] == {"done": 2}
    assert "journal.jsonl is a folder" in problems(again)
    assert again.run("--go") == 0
    assert again.all_done()
    assert len(list(again.layout.jobs.glob("**/attempt-2"))) == 0


def test_a_link_loop_at_an_input_costs_the_job_that_reads_it(again) -> None:
    answers = again.layout.attempt_dir("data/villain", 1) / "answers.jsonl.gz"
    answers.unlink()
    answers.symlink_to(answers.name)
    again.ask("relaunch", cells=("villain@0#42", "nurse@0#42"), from_stage="train")
    again.run("--go")
    cells = {cell["source"]: cell["state"] for cell in status(again.layout.root)["cells"]}
    assert cells["nurse"] == "done" and cells["villain"] != "done"
    assert again.verdicts("train/nurse@0#42") == ["done", "done"]
    assert "Traceback" not in again.log()


def test_a_stop_that_reaches_nobody_is_not_accepted(trial) -> None:
    grid, worker = hanging(trial)
    kill_engine(grid)
    path = worker / LEASE_FILE
    lease = json.loads(path.read_text())
    shim = lease_of(worker).shim
    for who in ("shim", "runner"):
        lease[who].update(host="another-pod", boot_id="another")
    path.write_text(json.dumps(lease))
    grid.start("--go")
    leave(grid.layout, Request("stop", jobs=(TRAIN,), by="ada"))
    grid.wait(lambda: grid.lines("request")[1:], "the answer")
    assert grid.lines("request")[-1]["accepted"] is False
    assert "can be reached" in grid.lines("request")[-1]["why"]
    os.kill(shim.pid, signal.SIGTERM)


def test_an_error_that_nobody_foresaw_pauses_the_grid_with_its_sentence(trial) -> None:
    grid = trial()
    grid.ask("run")
    engine = grid.start("--go", crash_at="round:error")
    grid.wait(lambda: grid.lines("paused"), "the pause")
    [line] = grid.lines("paused")
    assert "does not understand: RuntimeError: at the crash point round" in line["why"]
    grid.wait(lambda: line["why"] in status(grid.layout.root)["engine"]["note"], "the note")
    grid.ask("resume")
    assert engine.wait(DEADLINE) == 0
    assert grid.all_done() and "Traceback" not in grid.log()


def test_two_dozen_damaged_files_cost_their_own_jobs_alone(again) -> None:
    tally = fuzz(again, SEED, files=24)
    assert not tally.wrong, "\n".join(tally.wrong)
