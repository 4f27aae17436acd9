"""The meter shows the cards that the slots are on, with what runs there."""

from __future__ import annotations

from tests.engine.facts_of import Story, worker
from tuilab.engine.decide.facts import Slot
from tuilab.engine.decide.phase import Phase
from tuilab.engine.host import load
from tuilab.engine.host.gpus import Device

GIB = 2**30

THREE = tuple(Device(n, f"GPU-{n}", "H", 80 * GIB, n * GIB, 50.0) for n in range(3))
SLOTS = (Slot(0, "2"), Slot(1, "1"))


def test_other_cards_of_the_machine_are_not_shown_and_the_jobs_of_ours_are() -> None:
    story = Story().want().claim("data/villain")
    busy = worker("w0", 0, queue=("data/villain", "data/nurse"))
    gone = worker("w1", 1, phase=Phase.GONE, queue=("data/nurse",))
    facts = story.facts([busy, gone], slots=SLOTS)
    shown, loads = load.of_slots(THREE, facts), load.loads_of(facts)
    taken = load.with_jobs(load.sample(shown, loads), shown, loads)
    assert [gpu["index"] for gpu in taken.gpus] == [1, 2]
    assert [gpu["jobs"] for gpu in taken.gpus] == [[], ["data/villain"]]
    assert [gpu["unattributed"] for gpu in taken.gpus] == [GIB, 0]


def test_workers_on_the_processor_leave_all_cards_in_the_picture() -> None:
    facts = Story().facts([worker()], slots=1)
    assert load.of_slots(THREE, facts) == THREE
    assert load.loads_of(facts) == {}
