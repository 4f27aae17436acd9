"""What workers need: fencing, ending, suspending, closing; and when the engine may leave."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.engine.facts_of import Story, kinds, worker
from tuilab.contract.worker import Stop
from tuilab.engine.decide.actions import (
    Close,
    EndTree,
    HoldBack,
    Pause,
    Retire,
    StopWorker,
    Suspend,
    Withdraw,
)
from tuilab.engine.decide.engine_view import describe, note
from tuilab.engine.decide.facts import Disk, Slot
from tuilab.engine.decide.phase import Phase
from tuilab.engine.decide.requests import how_to_stop
from tuilab.engine.decide.tick import decide
from tuilab.engine.decide.workers import may_leave
from tuilab.grid.engine_view import Meter


def test_a_worker_that_nobody_is_starting_is_fenced() -> None:
    assert decide(Story().facts([worker(phase=Phase.UNBORN)])) == [Retire("w0")]


def test_orphans_are_asked_once_then_killed() -> None:
    orphan = worker(phase=Phase.ORPHANED)
    story = Story(grace_seconds=5)
    assert decide(story.facts([orphan])) == [EndTree("w0")]
    assert decide(story.facts([replace(orphan, orphaned_seconds=3.0)])) == []
    late = replace(orphan, orphaned_seconds=6.0)
    assert decide(story.facts([late])) == [EndTree("w0", force=True)]


def test_a_shim_that_does_not_end_its_tree_is_killed() -> None:
    story = Story(grace_seconds=5)
    asked = worker(stop=Stop("ada", jobs=("data/villain",)), stop_seconds=6.0, takes_work=False)
    assert decide(story.facts([asked])) == []
    late = replace(asked, stop_seconds=16.0)
    assert decide(story.facts([late])) == [EndTree("w0", force=True)]


def test_a_hard_pause_suspends_and_a_resume_continues() -> None:
    story = Story().tell("paused", mode="hard", by="ada")
    assert decide(story.facts([worker()])) == [Suspend("w0", on=True)]
    asleep = worker(is_suspended=True)
    assert decide(story.facts([asleep])) == []
    assert decide(story.tell("resumed", by="ada").facts([asleep])) == [Suspend("w0", on=False)]


def test_a_soft_pause_leaves_runners_alone() -> None:
    story = Story().tell("paused", mode="soft", by="ada")
    assert decide(story.facts([worker(queue=("data/villain",))])) == []


def given_two(story: Story) -> dict[str, object]:
    """A worker on one job with another ahead."""
    story.want().claim("data/villain").claim("data/nurse")
    ahead = story.attempt("data/nurse", begun_at=None, is_recorded=False)
    return {"attempts": {"data/nurse": ahead}}


def test_what_keeps_ready_jobs_from_starting_holds_back_those_given_early() -> None:
    story = Story()
    given = given_two(story)
    busy = worker(queue=("data/villain", "data/nurse"))
    assert decide(story.facts([busy], **given)) == []
    full = Disk(free=1 << 50, problem="no space")
    assert decide(story.facts([busy], disk=full, **given)) == [HoldBack("w0", on=True)]
    story.tell("paused", mode="soft", by="ada")
    assert decide(story.facts([busy], **given)) == [HoldBack("w0", on=True)]
    held = replace(busy, is_held_back=True)
    assert decide(story.facts([held], **given)) == []
    assert decide(story.tell("resumed", by="ada").facts([held], **given)) == [
        HoldBack("w0", on=False)
    ]


def test_nothing_begins_with_other_code_than_the_plan_s() -> None:
    story = Story()
    given = given_two(story)
    busy = worker(queue=("data/villain", "data/nurse"))
    facts = story.facts([busy], code_problem="the code has changed", **given)
    assert decide(facts) == [HoldBack("w0", on=True)]
    assert note(facts) == "the code has changed"


def test_a_worker_of_other_code_leaves_once_it_is_idle() -> None:
    story, old = Story().want(), worker(is_of_other_code=True)
    assert kinds(decide(story.facts([old]))) == ["Close"]
    story.claim("data/villain")
    assert decide(story.facts([replace(old, queue=("data/villain",))])) == []


def test_a_worker_that_is_still_being_started_is_held_back_too() -> None:
    story = Story().want().claim("data/villain").tell("paused", mode="soft", by="ada")
    first = story.attempt("data/villain", begun_at=None, is_recorded=False)
    coming = worker(phase=Phase.STARTING, queue=("data/villain",))
    facts = story.facts([coming], {"data/villain": first})
    assert decide(facts) == [HoldBack("w0", on=True)]


def test_a_held_worker_wakes_from_a_hard_pause_without_its_hold() -> None:
    story = Story()
    given = given_two(story)
    asleep = worker(queue=("data/villain", "data/nurse"), is_suspended=True, is_held_back=True)
    assert decide(story.facts([asleep], **given)) == [
        HoldBack("w0", on=False),
        Suspend("w0", on=False),
    ]


def test_a_held_worker_is_not_stalled() -> None:
    story = Story(stall_minutes=1, stop_stalled=True)
    story.want().claim("data/nurse").tell("paused", mode="soft", by="ada")
    silent = story.attempt("data/nurse", begun_at=None, is_recorded=False, silent_seconds=999.0)
    held = worker(queue=("data/nurse",), is_held_back=True)
    assert decide(story.facts([held], {"data/nurse": silent})) == []


def test_a_worker_that_idles_for_long_is_closed() -> None:
    story = Story(idle_seconds=60)
    assert decide(story.facts([worker(idle_seconds=61)])) == [Close("w0", "it was idle for long")]
    busy = worker(idle_seconds=61, queue=("data/villain",))
    assert decide(story.facts([busy])) == []


def test_a_worker_without_a_slot_gets_nothing_more_and_leaves_when_it_is_idle() -> None:
    story = Story(assign_ahead=True).want().claim("data/villain")
    busy = worker(slot=1, queue=("data/villain",))
    assert kinds(decide(story.facts([busy]))) == ["Launch"]
    idle = replace(busy, queue=(), idle_seconds=1.0)
    assert kinds(decide(story.facts([idle]))) == ["Close"]


def test_a_worker_that_is_told_to_leave_is_given_nothing_in_that_round() -> None:
    story = Story(idle_seconds=60).want()
    assert kinds(decide(story.facts([worker(idle_seconds=61.0)]))) == ["Close"]


def test_three_workers_in_a_row_that_never_come_up_pause_the_grid() -> None:
    story = Story().want()
    actions = decide(story.facts(failed_starts=3))
    assert any(isinstance(action, Pause) for action in actions)
    paused = story.tell("paused", mode="soft", by="engine").facts(failed_starts=3)
    assert kinds(decide(paused)) == []


def test_a_worker_whose_time_is_too_short_for_all_that_is_ready_is_closed() -> None:
    (close,) = decide(Story().want().facts([worker(seconds_left=120.0, wall_seconds=9e3)]))
    assert isinstance(close, Close)
    assert "the 2m00s that it has are too short for data/villain" in close.why


@pytest.mark.parametrize(
    ("phase", "known", "end"),
    [
        (Phase.PENDING, {"wall_seconds": 180.0}, "StopWorker"),
        (Phase.STARTING, {"wall_seconds": 180.0}, "StopWorker"),
        (Phase.ALIVE, {"wall_seconds": 359.0, "has_served": True, "seconds_left": 9.0}, "Close"),
        (Phase.PENDING, {"wall_seconds": 360.0}, ""),
        (Phase.PENDING, {"wall_seconds": None}, ""),
        (Phase.ALIVE, {"wall_seconds": 43200.0, "seconds_left": 100.0, "has_served": True}, ""),
        (Phase.PENDING, {"wall_seconds": 180.0, "stop": Stop("it"), "takes_work": False}, ""),
        (Phase.SILENT, {"wall_seconds": 180.0}, ""),
    ],
)
def test_a_wall_time_that_is_of_no_use_ends_its_workers_and_pauses_once(
    phase: Phase, known: dict[str, Any], end: str
) -> None:
    story, slots = Story().want(), (Slot(0, is_late=True), Slot(1, is_late=True))
    actions = decide(story.facts([worker(phase=phase, **known)], slots=slots))
    pauses = [one for one in actions if isinstance(one, Pause)]
    assert kinds(actions)[:1] == [end] if end else not pauses
    assert len(pauses) == bool(end)
    assert not (end and "Launch" in kinds(actions)), "one more submission"
    if end:
        asleep = story.tell("paused", mode="soft", by="ada").facts(
            [worker(phase=phase, **known)], slots=slots
        )
        assert kinds(decide(asleep)) == [end]


def test_those_submitted_with_a_worker_of_too_short_a_time_end_with_it() -> None:
    slots = (Slot(0, is_late=True), Slot(1, is_late=True), Slot(2, is_late=True))
    known = worker(phase=Phase.PENDING, wall_seconds=180.0)
    like_it = worker("w1", 1, phase=Phase.PENDING)
    served = worker("w2", 2, has_served=True, queue=("data/nurse",))
    actions = decide(Story().want().facts([known, like_it, served], slots=slots))
    assert [one.worker for one in actions if isinstance(one, StopWorker)] == ["w0", "w1"]
    (pause,) = (one for one in actions if isinstance(one, Pause))
    assert pause.why.startswith("workers are given 3m00s each")
    assert "at least 6m00s" in pause.why


def test_stopping_the_present_job_ends_the_worker_for_all_that_is_meant() -> None:
    story = Story().want().claim("data/villain").claim("data/nurse")
    busy = worker(queue=("data/villain", "data/nurse"))
    both = how_to_stop(["data/nurse", "data/villain"], story.facts([busy]), "ada")
    assert both == [StopWorker("w0", ("data/villain", "data/nurse"), "ada")]


def test_stopping_what_waits_behind_another_job_spares_the_worker() -> None:
    story = Story().want().claim("data/villain").claim("data/nurse")
    busy = worker(queue=("data/villain", "data/nurse"))
    assert how_to_stop(["data/nurse"], story.facts([busy]), "ada") == [
        Withdraw("data/nurse", "w0", "data/villain", "ada")
    ]


def test_the_engine_leaves_only_when_nothing_runs_and_nothing_can_start() -> None:
    story = Story(engine_idle_seconds=30)
    assert may_leave(story.facts(), 31)
    assert not may_leave(story.facts(), 29)
    assert not may_leave(story.want().facts(), 31)
    assert not may_leave(story.tell("paused", mode="soft", by="ada").facts(), 31)


def test_the_engine_leaves_when_what_is_due_only_waits_for_a_failure() -> None:
    story = Story().want("data/villain", "train/villain@0#42").make("data/clerk")
    story.claim("data/villain").settle("data/villain", "failed", reason="code")
    assert may_leave(story.facts(), 31)


def test_a_place_that_does_not_answer_is_named_while_its_workers_go_on() -> None:
    story = Story(workers=1).want()
    away = "Slurm does not answer: Unable to contact slurm controller"
    one = worker(queue=("data/nurse",), why=away, is_unheard=True)
    assert note(story.facts([one])) == f"{away}; what runs there continues"
    assert not note(story.facts([replace(one, is_unheard=False)]))


def test_readers_are_told_which_workers_are_up_and_have_begun_nothing() -> None:
    facts = Story().facts(
        [
            worker("w0", 0, phase=Phase.STARTING),
            worker("w1", 1),
            worker("w2", 2, has_served=True),
            worker("w3", 3, phase=Phase.PENDING),
            worker("w4", 4, phase=Phase.GONE),
        ]
    )
    assert describe(facts, None, Meter(), ()).starting == ("w0", "w1")
