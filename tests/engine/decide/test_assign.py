"""Which job starts where: plan order, a person's order, warm weights, disk, pauses."""

from __future__ import annotations

from tests.engine.facts_of import Story, kinds, worker
from tests.engine.test_fetching import FETCH, plan_on_hub
from tests.engine.trials import make_plan
from tuilab.engine.decide.actions import Assign, Launch
from tuilab.engine.decide.engine_view import note, why_queued, why_stages_wait
from tuilab.engine.decide.facts import Disk, Slot
from tuilab.engine.decide.phase import Phase
from tuilab.engine.decide.tick import decide

FIRST_DATA = ("data/villain", "data/nurse", "data/clerk")


def started(actions) -> list[str]:
    return [action.job for action in actions if isinstance(action, Launch | Assign)]


def test_nothing_starts_that_nobody_asked_for() -> None:
    assert decide(Story().facts()) == []


def test_free_slots_are_filled_in_plan_order() -> None:
    assert decide(Story().want().facts(slots=2)) == [
        Launch(0, "data/villain"),
        Launch(1, "data/nurse"),
    ]


def test_a_person_s_order_comes_before_the_plan_s() -> None:
    story = Story().want().tell("ordered", jobs=["data/clerk"])
    assert started(decide(story.facts(slots=2))) == ["data/clerk", "data/villain"]


def test_a_child_waits_until_its_parents_are_done() -> None:
    story = Story().want().make("data/villain", "data/clerk")
    ready = started(decide(story.facts(slots=9)))
    assert "train/villain@0#42" in ready
    assert "train/nurse@0#42" not in ready
    assert "train/villain@2#42" not in ready


def test_a_failed_parent_holds_its_children_as_waiting() -> None:
    story = Story().want().make(*FIRST_DATA).claim("converge/villain#42")
    story.settle("converge/villain#42", "failed", reason="code")
    assert "train/villain@2#42" not in started(decide(story.facts(slots=9)))
    assert story.states.statuses["merge/villain@2#42"].reason == "upstream"


def test_a_worker_goes_on_with_the_cell_it_has_warm() -> None:
    story = Story().want().make(*FIRST_DATA).make("train/nurse@0#42", worker="w1")
    workers = [worker("w1", 1, last_job="train/nurse@0#42")]
    actions = decide(story.facts(workers, slots=2))
    assert Assign("merge/nurse@0#42", "w1") in actions
    assert Launch(0, "converge/villain#42") in actions


def test_a_worker_stays_with_its_source_when_its_cell_is_finished() -> None:
    story = Story().want().make(*FIRST_DATA)
    workers = [
        worker("w0", 0, last_job="data/nurse"),
        worker("w1", 1, last_job="data/villain"),
    ]
    assert set(decide(story.facts(workers, slots=2))) == {
        Assign("converge/nurse#42", "w0"),
        Assign("converge/villain#42", "w1"),
    }


def test_an_idle_worker_takes_another_s_source_rather_than_nothing() -> None:
    story = Story(make_plan(("villain",), (0, 2))).want().make("data/villain", "data/clerk")
    story.claim("converge/villain#42", "w0")
    workers = [
        worker("w0", 0, queue=("converge/villain#42",), last_job="converge/villain#42"),
        worker("w1", 1, last_job="data/clerk"),
    ]
    assert started(decide(story.facts(workers, slots=2))) == ["train/villain@0#42"]


def test_a_busy_worker_gets_its_next_job_early() -> None:
    story = Story().want().claim("data/villain")
    busy = worker(queue=("data/villain",), last_job="data/villain")
    assert decide(story.facts([busy])) == [Assign("data/nurse", "w0")]


def test_a_busy_worker_gets_at_most_one_job_early() -> None:
    story = Story().want().claim("data/villain").claim("data/nurse")
    busy = worker(queue=("data/villain", "data/nurse"), last_job="data/nurse")
    assert decide(story.facts([busy])) == []


def test_nothing_is_given_early_that_the_running_job_s_own_child_should_precede() -> None:
    story = Story().want().make(*FIRST_DATA, "converge/villain#42").claim("train/villain@0#42")
    busy = worker(queue=("train/villain@0#42",), last_job="train/villain@0#42")
    assert decide(story.facts([busy])) == []


def test_nothing_is_given_early_while_another_slot_may_want_it() -> None:
    story = Story(make_plan(("villain",))).want().make("data/clerk").claim("data/villain")
    busy = worker(queue=("data/villain",), last_job="data/villain")
    assert decide(story.facts([busy], slots=2)) == []


def test_a_held_job_does_not_start() -> None:
    story = Story().want().tell("held", jobs=["data/villain"], why="a person said so")
    assert started(decide(story.facts())) == ["data/nurse"]


def test_nothing_starts_while_paused_or_before_a_go() -> None:
    paused = Story().want().tell("paused", mode="soft", by="me")
    assert decide(paused.facts()) == []
    waiting = Story().want().tell("engine-started", go=False)
    assert decide(waiting.facts()) == []
    assert "resumed" in note(waiting.facts())


def test_a_resume_lets_things_start_again() -> None:
    story = Story().want().tell("paused", mode="soft", by="me").tell("resumed", by="me")
    assert kinds(decide(story.facts())) == ["Launch"]


def test_nothing_starts_below_the_disk_s_reserve_and_the_note_says_so() -> None:
    story = Story(reserve_bytes=1000).want()
    facts = story.facts(disk=Disk(free=999))
    assert decide(facts) == []
    assert "reserve" in note(facts)


def test_a_job_that_would_not_fit_waits_and_a_smaller_one_goes_first() -> None:
    needs = {"data/villain": 500, "data/nurse": 10}
    facts = Story(reserve_bytes=1000).want().facts(disk=Disk(free=1400, needs=needs))
    assert started(decide(facts)) == ["data/nurse"]
    assert "data/villain needs" in note(facts)


def test_running_jobs_count_against_the_free_disk() -> None:
    story = Story(reserve_bytes=0).want().claim("data/villain", "w0")
    needs = {"data/villain": 700, "data/nurse": 400, "data/clerk": 400}
    busy = worker(queue=("data/villain",))
    assert decide(story.facts([busy], slots=2, disk=Disk(free=1000, needs=needs))) == []


def test_a_failed_test_write_stops_launches() -> None:
    facts = Story().want().facts(disk=Disk(free=1 << 50, problem="Disk quota exceeded"))
    assert decide(facts) == []
    assert "quota" in note(facts)


def test_a_slot_whose_gpu_is_held_stays_empty_and_names_the_holder() -> None:
    held = Slot(0, "0", blocked="gpu-held: GPU 0 is held by pid 7 python")
    facts = Story().want().facts(slots=(held, Slot(1, "1")))
    assert decide(facts) == [Launch(1, "data/villain")]
    assert "pid 7" in note(facts)


def test_a_base_is_fetched_beside_the_slots_whoever_holds_the_gpu() -> None:
    story = Story(plan_on_hub()).want()
    held = Slot(0, "0", blocked="gpu-held: GPU 0 is held by pid 7 python")
    assert decide(story.facts(slots=(held,), absent_bases=(FETCH,))) == [Launch(None, FETCH)]
    assert decide(story.facts(slots=(Slot(0, "0"),))) == [Launch(0, FETCH)], "it is in the cache"
    beside = worker("w1", slot=1, queue=())
    story.claim(FETCH, "w1").settle(FETCH)
    assert Assign not in map(type, decide(story.facts([beside], slots=(held,))))


def test_a_worker_that_closes_or_is_suspended_gets_nothing() -> None:
    story = Story().want()
    closing = worker(takes_work=False)
    assert started(decide(story.facts([closing]))) == []
    suspended = worker(is_suspended=True)
    assert started(decide(story.facts([suspended]))) == []


def test_an_orphaned_tree_keeps_its_slot_until_it_is_gone() -> None:
    facts = Story().want().facts([worker(phase=Phase.ORPHANED)])
    assert started(decide(facts)) == []
    assert kinds(decide(facts)) == ["EndTree"]


def test_a_worker_on_another_host_does_not_take_a_slot_here() -> None:
    facts = Story().want().facts([worker(phase=Phase.FOREIGN)])
    assert kinds(decide(facts)) == ["Launch"]


def test_a_queued_job_is_told_which_jobs_are_on_the_slots() -> None:
    story = Story().want().claim("data/villain")
    busy = story.facts([worker(queue=("data/villain",))])
    assert why_queued(busy) == "no free slot: data/villain running"
    ending = story.facts([worker(phase=Phase.ORPHANED)])
    assert "being started or ended" in why_queued(ending)
    assert why_queued(Story().facts()) == ""


def test_a_queued_job_is_told_who_paused_and_who_holds_the_gpu() -> None:
    story = Story().want()
    held = (Slot(0, "0", "gpu-held: GPU 0 has 1.0 of 80 GiB free; the rest is held by pid 7"),)
    assert "pid 7" in why_queued(story.facts(slots=held))
    story.tell("paused", mode="soft", by="ada@pod")
    assert why_queued(story.facts()).startswith("paused by ada@pod")
    story.tell("paused", mode="soft", by="engine", why="the disk was full")
    full = "paused by engine: the disk was full; `tuilab resume` continues"
    assert why_queued(story.facts()) == full
    story.tell("paused", mode="hard", by="ada@pod")
    assert why_queued(story.facts()).endswith("keep their memory; `tuilab resume` continues")


def test_a_stage_that_does_not_fit_on_the_disk_says_so_and_others_do_not() -> None:
    story = Story(reserve_bytes=0).want()
    room = Disk(free=100, needs={"data/villain": 1000})
    assert "data/villain needs" in why_stages_wait(story.facts(disk=room))["data"]
    assert why_stages_wait(story.facts(disk=Disk(free=100))) == {}


def test_a_worker_gets_what_its_time_is_enough_for_and_a_new_one_what_none_is_enough_for() -> None:
    story, needs = Story().want("data/villain"), {"data/villain": 3600.0}

    def given(**changes: object) -> list[str]:
        return kinds(decide(story.facts([worker(**changes)], seconds=needs)))

    assert given(seconds_left=4000.0, has_served=True) == ["Assign"]
    assert given(seconds_left=3000.0, has_served=True) == ["Close"]
    assert given(seconds_left=3000.0) == ["Assign"], "the next one goes on where it was"
