"""When a hub that gave nothing is asked again: told from facts alone."""

from __future__ import annotations

from tests.engine.facts_of import Story, kinds
from tuilab.contract.reasons import Reason
from tuilab.engine.decide.actions import FetchAgain, Pause, Resume, Settle
from tuilab.engine.decide.hub_wait import LONGEST, seconds_to_wait
from tuilab.engine.decide.tick import decide
from tuilab.grid.endings import Ending
from tuilab.grid.ledger import HUB
from tuilab.grid.states import Attempt, Verdict

AWAY = Ending(Verdict.FAILED, Reason.HUB, "the hub is out of order (it answers 503)")
JOB = "data/villain"


def failed(number: int) -> Attempt:
    """An attempt that a hub failed."""
    return Attempt(number, "t", "f", verdict=Verdict.FAILED, reason=Reason.HUB)


def test_each_failure_in_a_row_waits_twice_as_long_and_a_hub_that_says_how_long_is_believed() -> (
    None
):
    waits = [seconds_to_wait([failed(n) for n in range(count)], 15.0) for count in range(8)]
    assert waits[:4] == [15.0, 30.0, 60.0, 120.0] and waits[-1] == LONGEST
    assert seconds_to_wait([], 15.0, told=7200.0) == 7200.0
    other = Attempt(9, "t", "f", verdict=Verdict.FAILED, reason=Reason.KILLED)
    assert seconds_to_wait([failed(1), other], 15.0) == 15.0


def test_a_hub_that_is_away_pauses_and_the_job_is_asked_for_again_however_often() -> None:
    story = Story(retries=0).want(JOB)
    for _ in range(5):
        story.claim(JOB).settle(JOB, "failed", reason="hub", detail=AWAY.detail).want(JOB)
    story.claim(JOB)
    last = story.attempt(JOB, ending=AWAY)
    found = decide(story.facts(attempts={JOB: last}))
    settle = next(one for one in found if isinstance(one, Settle))
    assert settle.retry and not settle.hold
    pauses = [one for one in found if isinstance(one, Pause)]
    assert [(one.by, one.why) for one in pauses] == [(HUB, AWAY.detail)]


def test_it_goes_on_when_the_hub_answers_and_a_person_s_pause_is_left_alone() -> None:
    story = Story().want(JOB).tell("paused", mode="soft", by=HUB, why="away", until=5.0)
    assert not any(isinstance(one, Resume) for one in decide(story.facts()))
    assert any(isinstance(one, Resume) for one in decide(story.facts(hub_answers=True)))
    story.tell("paused", mode="soft", by="somebody")
    assert not any(isinstance(one, Resume) for one in decide(story.facts(hub_answers=True)))


def test_a_base_that_the_cache_has_lost_is_fetched_before_anything_is_placed() -> None:
    story = Story().make(JOB).want("data/clerk")
    facts = story.facts(absent_bases=(JOB,))
    assert decide(facts) == [FetchAgain(JOB)]
    assert "FetchAgain" not in kinds(decide(story.want(JOB).facts(absent_bases=(JOB,))))
