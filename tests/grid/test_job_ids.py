"""Places of ids are those that a dict of the ids would give, whatever the columns hold."""

from __future__ import annotations

import random
from array import array

import pytest

from tests.engine.trials import make_plan
from tuilab.grid.job_ids import JobIds, Places
from tuilab.grid.packed_evidence import EvidenceByJob
from tuilab.grid.states import Attempt, Evidence, Verdict

STRANGERS = [
    "",
    "@",
    "#",
    "train/a@",
    "train/a#",
    "train/a@#",
    "train/a@1#",
    "train/a@#1",
    "data/z",
]
STRANGERS += ["train/a#1@1", "train/a@1#1#1", "train/a@01#1", "train/a @1#1", "train"]


@pytest.mark.parametrize("heads", [["data/a", "train/a"], ["fetch/x@y", "train/a#b", "train/a"]])
@pytest.mark.parametrize("wide", [2, 60])
def test_places_are_those_of_a_dict(heads: list[str], wide: int) -> None:
    """With 60 epochs and seeds there are so few jobs that most slots would be empty."""
    chance = random.Random(wide)
    epochs, seeds = [None, *range(wide)], [None, *range(wide)]
    rows = {(chance.randrange(len(heads)), chance.randrange(wide + 1)) for _ in range(4 * wide)}
    columns = [array("I"), array("I"), array("I")]
    for head, epoch in sorted(rows):
        for column, at in zip(columns, (head, epoch, chance.randrange(wide + 1)), strict=True):
            column.append(at)
    ids = JobIds(heads, epochs, seeds, columns)
    places, truth = Places(ids), {job: place for place, job in enumerate(ids)}
    assert dict(places) == truth and len(places) == len(truth) == len(ids) > wide
    assert list(places) == list(truth) == [ids[place] for place in range(len(ids))]
    for name in STRANGERS:
        assert places.get(name) == truth.get(name) and (name in places) == (name in truth)
        assert places.get(name, -1) == truth.get(name, -1)
    with pytest.raises(KeyError):
        places["data/z"]


def test_an_id_that_is_there_twice_counts_once() -> None:
    ids = JobIds(
        ["data/a", "data/a"], [None], [None], (array("I", [0, 1]), *[array("I", [0, 0])] * 2)
    )
    assert len(Places(ids)) == 1 < len(ids)


def test_evidence_under_a_plan_is_the_same_as_without_and_under_another() -> None:
    plan, other = make_plan(("villain", "nurse"), (0, 2)), make_plan(("nurse", "clerk"), (0, 2))
    chance = random.Random(7)
    names = [*plan.by_id, "data/stranger", "data/two\nlines"]
    known = {
        0: Evidence(),
        1: Evidence(wanted=1),
        2: Evidence((Attempt(1, "t", "f"),), 1),
        3: Evidence((Attempt(1, "t", "f", verdict=Verdict.LOST),), 2, "held"),
    }
    truth: dict[str, Evidence] = {}
    under, without = EvidenceByJob(plan), EvidenceByJob()
    for _ in range(400):
        name, what = chance.choice(names), known[chance.randrange(4)]
        for kept in (truth, under, without):
            kept[name] = what
    for kept in (under, without):
        assert dict(kept) == truth and len(kept) == len(truth)
        for of in (plan, other):
            due = [place for place, job in enumerate(of.table.ids) if kept.is_due(job)]
            assert kept.due_places(of) == due
            said = {of.table.ids[at]: alone for at, alone in kept.mentioned_places(of)}
            assert said == {
                job: found == Evidence(wanted=1) for job, found in truth.items() if job in of.places
            }
    assert [job for job in truth if under.is_due(job)] == [
        job for job in truth if truth[job].is_due
    ]
    assert under.live == without.live != set() and under.lost == without.lost != set()
