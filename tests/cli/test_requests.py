"""A wish that gets no answer ends in a sentence that says why, and as soon as that is known."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

from tests.engine.trials import make_plan
from tuilab.cli.requests import HUNG_SECONDS, wait_for_answer
from tuilab.contract.identity import me
from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.store.engine_file import write_heartbeat
from tuilab.store.experiment import create_experiment


def test_an_engine_that_hangs_is_not_waited_for_to_the_end(tmp_path: Path) -> None:
    layout = create_experiment(tmp_path / "x", "", make_plan())
    running = EngineView(state=EngineState.RUNNING)
    write_heartbeat(layout, me(), "t", running, time.time() - 60)
    ticks = itertools.count(0.0, HUNG_SECONDS)
    reply = wait_for_answer(layout.root, "r", 0, 60.0, lambda: next(ticks))
    assert (reply.accepted, reply.code) == (None, 1)
    assert reply.why.startswith("no answer in 10 s: the engine is not answering since ")
    assert reply.why.endswith("; the request waits for it")


def test_an_engine_that_only_works_is_waited_for(tmp_path: Path) -> None:
    layout = create_experiment(tmp_path / "x", "", make_plan())
    write_heartbeat(layout, me(), "t", EngineView(state=EngineState.RUNNING), time.time())
    ticks = itertools.count(0.0, 30.0)
    reply = wait_for_answer(layout.root, "r", 0, 60.0, lambda: next(ticks))
    assert "no answer in 90 s: the engine has not got to it" in reply.why
