"""Which ready job is nearest to what a worker has warm, found without a look at each."""

from __future__ import annotations

from dataclasses import replace

from tests.engine.facts_of import Story
from tests.engine.trials import make_plan
from tuilab.engine.decide.facts import Worker
from tuilab.engine.decide.nearest import Choice
from tuilab.engine.decide.phase import Phase

READY = ["train/villain@0#42", "train/nurse@0#42", "merge/nurse@2#42", "train/pilot@0#42"]


def worker(name: str, last_job: str = "") -> Worker:
    return Worker(name, 0, Phase.ALIVE, True, last_job=last_job)


def test_its_own_cell_is_nearest_then_its_source_then_what_nobody_has_warm() -> None:
    story = Story(make_plan(("villain", "nurse", "pilot"), (0, 2)))
    story.want().claim("train/nurse@2#42", "w1").settle("train/nurse@2#42")
    one, other = worker("w1", "train/nurse@2#42"), worker("w2", "data/villain")
    choice = Choice(replace(story.facts(), workers=(one, other)), READY)
    assert choice.nearest(one, lambda job: True) == "merge/nurse@2#42"
    assert choice.nearest(one, lambda job: "train" in job) == "train/nurse@0#42"
    assert choice.nearest(one, lambda job: "nurse" not in job) == "train/pilot@0#42"
    assert choice.nearest(None, lambda job: True) == "train/pilot@0#42"
    choice.take("train/pilot@0#42")
    assert choice.nearest(None, lambda job: True) == "train/villain@0#42", "the first of the rest"
    assert choice.nearest(None, lambda job: False) is None


def test_what_a_person_moved_to_the_front_goes_first_however_far_it_is() -> None:
    story = Story(make_plan(("villain", "nurse", "pilot"), (0, 2))).want()
    story.tell("ordered", jobs=["train/pilot@0#42"], by="ada")
    one = worker("w1", "train/nurse@2#42")
    facts = replace(story.facts(), workers=(one,))
    order = facts.ledger.order
    choice = Choice(facts, READY)
    assert order and choice.nearest(one, lambda job: True) == "train/pilot@0#42"
