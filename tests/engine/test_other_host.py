"""An attempt on a host that nobody can look at: lost for its silence, back when it writes."""

from __future__ import annotations

import json

from tests.engine.trials import DEADLINE, Trial
from tuilab.contract.worker import read_json
from tuilab.store.journal import Journal

DATA = "data/villain"


def move_away(grid: Trial) -> None:
    """Let the worker's lease name another host, as it would on a shared volume."""
    path = grid.worker_dirs()[0] / "lease.json"
    lease = read_json(path) or {}
    for who in ("shim", "runner"):
        lease[who]["host"] = "another-pod"
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
