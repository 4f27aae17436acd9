"""The board's states and queue equal those derived from nothing, whatever the journal says."""

from __future__ import annotations

import random

import pytest

from tests.engine.facts_of import Story
from tests.engine.trials import make_plan
from tuilab.engine.state import Board
from tuilab.grid.jobs import Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.states import LIVE, State, derive_state

VERDICTS = ("done", "done", "done", "failed", "lost", "stopped", "suspect")


def derive_all(plan: Plan, ledger: Ledger) -> dict[str, object]:
    states: dict[str, object] = {}
    for job in plan.jobs:
        parents = {parent: states[parent] for parent in job.parents}
        done = {parent: ledger.of(parent).last_done for parent in job.parents}
        outputs = {parent: made.output_hash if made else "" for parent, made in done.items()}
        states[job.id] = derive_state(job, ledger.of(job.id), parents, outputs)
    return states


@pytest.mark.parametrize("seed", range(20))
def test_what_is_kept_step_by_step_equals_what_is_derived_at_once(seed: int) -> None:
    chance = random.Random(seed)
    story = Story(make_plan(("villain", "nurse"), (0, 2)))
    names = [job.id for job in story.plan.jobs]
    for _ in range(120):
        job = chance.choice(names)
        step = chance.choice(("want", "claim", "settle", "held", "released", "unwanted"))
        last = story.board.ledger.of(job).last
        is_live = last is not None and last.verdict in LIVE
        if step == "want":
            story.want(*chance.sample(names, 4))
        elif step == "claim" and not is_live:
            story.claim(job)
        elif step == "settle" and is_live:
            story.settle(job, chance.choice(VERDICTS))
        elif step in ("held", "released", "unwanted"):
            story.tell(step, jobs=[job], why="x")
    board = story.board
    expected = derive_all(board.plan, board.ledger)
    assert board.statuses == expected
    assert board.ready == [
        name
        for name in names
        if expected[name].state is State.QUEUED
        and not expected[name].given_to
        and not board.ledger.of(name).held
    ]
    again = Board(board.plan)
    again.ledger = board.ledger
    again.replace_plan(board.plan)
    assert (again.statuses, again.ready) == (board.statuses, board.ready)
