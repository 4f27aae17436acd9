"""A wish that gets no answer ends in a sentence that says why, and as soon as that is known."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.engine.conftest import trial  # noqa: F401  # a fixture
from tests.engine.trials import Trial, make_plan
from tuilab.cli.requests import HUNG_SECONDS, ask, wait_for_answer
from tuilab.contract.identity import me
from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.store.engine_file import ANSWERS_WITHIN, write_heartbeat
from tuilab.store.experiment import create_experiment
from tuilab.store.lease import acquire


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


def test_a_pod_that_replaces_another_at_once_need_not_ask_again(
    trial: Callable[..., Trial],  # noqa: F811
) -> None:
    """The engine before it counts as alive when the request is left, and as gone soon after."""
    grid = trial()
    before, last = replace(me(), pid_space="pid:[1]"), time.time() - ANSWERS_WITHIN + 3.0
    token = acquire(grid.layout, last, identity=before).holder.token
    write_heartbeat(grid.layout, before, token, EngineView(state=EngineState.RUNNING), last)
    assert ask(grid.layout.root, "run").accepted
    grid.wait(grid.all_done, "the end of the grid")
    grid.wait(lambda: grid.lines("engine-stopped"), "the engine leaving")
