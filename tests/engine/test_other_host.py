"""An attempt on a host that nobody can look at: lost for its silence, back when it writes."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from tests.ending import processes_of
from tests.engine.trials import DEADLINE, Trial
from tuilab.contract.parsing import read_if_sound
from tuilab.engine.host import process_tree
from tuilab.grid.states import State
from tuilab.store.journal import Journal
from tuilab.store.read_state import read_state

DATA = "data/villain"


def move_away(grid: Trial) -> None:
    """Let the worker's lease name another host, as it would on a shared volume."""
    path = grid.worker_dirs()[0] / "lease.json"
    lease = read_if_sound(path, dict) or {}
    for who in ("shim", "runner"):
        lease[who].update(host="another-pod", boot_id="another")
    path.write_text(json.dumps(lease))


def test_a_lost_attempt_of_another_host_comes_back_to_running_and_to_its_result(trial) -> None:
    grid = trial()
    grid.script(**{DATA: {"until": str(grid.gate)}})
    grid.ask("run", jobs=(DATA,))
    engine = grid.start("--go")
    grid.wait(lambda: grid.verdicts(DATA) == ["running"], "the start")
    engine.kill()
    engine.wait()
    move_away(grid)
    lost = {"verdict": "lost", "reason": "unknown", "detail": "no sign of the host"}
    journal = Journal(grid.layout)
    journal.append_all([{"kind": "settled", "job": DATA, "attempt": 1, **lost}])
    journal.append_all([{"kind": "wanted", "jobs": {DATA: 2}, "verb": "relaunch", "by": "ada"}])
    journal.append_all([{"kind": "paused", "mode": "soft", "by": "ada"}])
    second = grid.start("--go")
    grid.wait(lambda: grid.verdicts(DATA) == ["running"], "the return")
    assert not grid.ledger().of(DATA).is_due
    assert any("writes again" in line["text"] for line in grid.lines("note"))
    grid.gate.touch()
    grid.wait(lambda: grid.verdicts(DATA) == ["done"], "the result")
    assert second.wait(DEADLINE) == 0
    assert len(grid.worker_dirs()) == 1


def let_pass(folder: Path, seconds: float) -> None:
    """Let an attempt be as old as if it had been claimed and begun so much earlier."""
    claim = json.loads((folder / "claim.json").read_text())
    events = map(json.loads, (folder / "events.jsonl").read_text().splitlines())
    (folder / "claim.json").write_text(json.dumps({**claim, "at": claim["at"] - seconds}))
    aged = [json.dumps({**event, "at": event["at"] - seconds}) + "\n" for event in events]
    (folder / "events.jsonl").write_text("".join(aged))


def test_what_readers_call_lost_is_settled_before_somebody_asks_for_it_again(trial) -> None:
    grid = trial()
    grid.script(**{DATA: [{"until": str(grid.gate)}, {}]})
    grid.ask("run", jobs=(DATA,))
    engine = grid.start("--go")
    grid.wait(lambda: grid.verdicts(DATA) == ["running"], "the start")
    engine.kill()
    engine.wait()
    worker = grid.worker_dirs()[0]
    process_tree.send_all(processes_of(worker), signal.SIGSTOP)
    move_away(grid)
    let_pass(grid.layout.attempt_dir(DATA, 1), 3600.0)
    assert read_state(grid.layout.root).statuses[DATA].state is State.LOST
    grid.ask("relaunch", jobs=(DATA,))
    assert grid.run("--go") == 0
    assert grid.verdicts(DATA) == ["lost", "done"]
    assert [line["accepted"] for line in grid.lines("request")] == [True, True]
