"""A queued job says why: from the engine's last word, or from its absence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.store.scene import ALIVE, NOW, Scene
from tuilab.contract.parsing import typed
from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.grid.states import State
from tuilab.grid.why_queued import held_words, why_queued
from tuilab.store.engine_file import write_heartbeat
from tuilab.store.reader import Reader
from tuilab.store.status import status

BUSY = EngineView(
    EngineState.RUNNING,
    workers=2,
    queued="no free slot: train/villain@0#42 running",
    queued_stages={"merge": "disk: merge/x needs about 15 GB"},
)


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        (EngineView(), "no engine runs"),
        (EngineView(pause="soft"), "the grid is paused (soft)"),
        (EngineView(EngineState.UNKNOWN, note="no sign of the engine on pod"), "no sign"),
        (BUSY, "no free slot: train/villain@0#42"),
        (EngineView(EngineState.PAUSED, note="paused by ada", queued="paused by ada"), "by ada"),
        (EngineView(EngineState.RUNNING, note="gpu-held: GPU 0"), "gpu-held"),
        (EngineView(EngineState.RUNNING, workers=3), "all 3 slots"),
    ],
)
def test_the_engine_s_last_word_is_the_reason(engine: EngineView, words: str) -> None:
    assert words in why_queued(engine, "train")


def test_a_stage_or_a_job_with_a_reason_of_its_own_says_that() -> None:
    assert "15 GB" in why_queued(BUSY, "merge")
    assert why_queued(BUSY, "merge", "held by ada") == "held by ada"


GIVEN = "w0-83f88f39"


def test_a_job_that_a_worker_was_given_is_next_there_unless_nothing_begins() -> None:
    assert why_queued(BUSY, "merge", given_to=GIVEN) == "next on worker w0"
    assert why_queued(EngineView(), "train", given_to=GIVEN) == "next on worker w0"
    young = replace(BUSY, starting=(GIVEN,))
    assert "worker w0 starts: it loads its" in why_queued(young, "merge", given_to=GIVEN)
    assert "next on" in why_queued(replace(young, state=EngineState.STOPPED), "eval", "", GIVEN)
    still = replace(BUSY, state=EngineState.PAUSED, is_still=True, queued="paused by ada")
    assert why_queued(still, "merge", given_to=GIVEN) == "paused by ada"
    gone = EngineView(EngineState.STOPPED, pause="soft")
    assert "the grid is paused (soft)" in why_queued(gone, "train", given_to=GIVEN)


def test_what_was_given_early_is_queued_and_first_until_its_runner_speaks(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "x")
    scene.want()
    scene.worker(GIVEN)
    scene.finish("data/comedian")
    scene.claim("data/villain", GIVEN)
    scene.begin("data/villain")
    scene.claim("train/comedian@0#42", GIVEN)
    write_heartbeat(scene.layout, ALIVE, "t", BUSY, NOW)
    reader = Reader(scene.root)
    before = reader.poll(NOW)
    [cell] = [one for one in before.cells if str(one.cell) == "comedian@0#42"]
    assert (cell.state, cell.stage, cell.given_to) == (State.QUEUED, "train", GIVEN)
    assert before.queue[0] == "train/comedian@0#42"
    assert State.RUNNING not in before.counts
    told = status(scene.root, NOW)
    [row] = [one for one in told["cells"] if one["state"] == "queued" and one["epoch"] == 0]
    assert row["detail"] == "next on worker w0"
    assert "given_to" not in row
    scene.event("train/comedian@0#42", "started")
    after = reader.poll(NOW)
    assert after.counts[State.RUNNING] == 1
    assert "train/comedian@0#42" not in after.queue


def test_a_view_of_an_older_engine_has_no_word_on_it() -> None:
    found = typed({"state": "running"}, EngineView)
    assert (found.queued, found.queued_stages) == ("", {})


def test_status_says_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "x")
    scene.want()
    for job in scene.plan.by_id:
        if job.startswith(("data", "converge")):
            scene.finish(job)
    write_heartbeat(scene.layout, ALIVE, "t", BUSY, NOW)

    def reasons() -> set[str]:
        return {cell["detail"] for cell in status(scene.root, NOW)["cells"]}

    assert reasons() == {BUSY.queued}
    write_heartbeat(scene.layout, ALIVE, "t", EngineView(EngineState.STOPPED), NOW)
    assert reasons() == {"no engine runs: tuilab run starts one"}


def test_what_is_held_says_so_once() -> None:
    assert held_words("3 attempts in a row failed") == "held: 3 attempts in a row failed"
    assert held_words("held by ada@pod") == "held by ada@pod"
