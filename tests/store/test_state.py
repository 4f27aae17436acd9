"""States kept step by step equal those derived from nothing, whatever the journal says."""

from __future__ import annotations

import random

import pytest

from tests.engine.facts_of import Story
from tests.engine.trials import make_plan
from tuilab.grid.states import LIVE, State
from tuilab.store.state import JobStates

VERDICTS = ("done", "done", "done", "failed", "lost", "stopped", "suspect")


@pytest.mark.parametrize("seed", range(20))
def test_what_is_kept_step_by_step_equals_what_is_derived_at_once(seed: int) -> None:
    chance = random.Random(seed)
    story = Story(make_plan(("villain", "nurse"), (0, 2)))
    states = story.states
    names = [job.id for job in story.plan.jobs]
    for _ in range(120):
        job = chance.choice(names)
        step = chance.choice(("want", "claim", "settle", "held", "released", "unwanted", "ordered"))
        if step == "want":
            story.want(*chance.sample(names, 4))
        elif step == "claim" and job not in states.live:
            story.claim(job)
        elif step == "settle" and job in states.live:
            story.settle(job, chance.choice(VERDICTS))
        elif step in ("held", "released", "unwanted", "ordered"):
            story.tell(step, jobs=[job], why="x")
    at_once = JobStates(story.plan, states.ledger)
    assert states.statuses == at_once.statuses
    assert (states.ready, states.queue) == (at_once.ready, at_once.queue)
    assert states.live == at_once.live
    assert states.live == {
        name for name in names if (last := states.of(name).last) and last.verdict in LIVE
    }
    assert sorted(states.ready) == sorted(
        name
        for name in names
        if states.statuses[name].state is State.QUEUED
        and not states.statuses[name].given_to
        and not states.of(name).held
    )


def test_what_a_job_says_of_its_way_derives_nothing_below_it() -> None:
    """Every job of a grid may stand below a shared one."""
    story = Story(make_plan(("villain", "nurse"), (0, 2))).want()
    states, at = story.states, {"job": "data/clerk", "attempt": 1}
    claimed = {"kind": "claimed", **at, "token": "t", "fingerprint": "f", "worker": "w"}
    for line in (claimed, {"kind": "started", **at, "started_at": 1.0}):
        assert list(states.fold([line])) == ["data/clerk"]
    waiting = states.statuses["train/villain@0#42"]
    failed = {"kind": "settled", **at, "verdict": "failed"}
    assert "train/villain@0#42" in states.fold([failed])
    assert waiting.detail == "waits for data/villain"
    assert states.statuses["train/villain@0#42"].detail == "waits for data/clerk (failed)"
