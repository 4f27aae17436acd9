"""Nothing starts that would not end in time; what is left is said, and the next run goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.engine.facts_of import Story, kinds, worker
from tuilab.engine.decide.actions import Pause
from tuilab.engine.decide.engine_view import describe, note, why_queued
from tuilab.engine.decide.requests import Known, answer
from tuilab.engine.decide.tick import decide
from tuilab.grid.engine_view import Meter
from tuilab.grid.estimate import Cost, Forecast
from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.limits import LIMIT
from tuilab.grid.request import Request
from tuilab.grid.states import Evidence

SHORT, LONG = "data/villain", "data/nurse"
SECONDS = {SHORT: 60.0, LONG: 600.0}


def limited(**left: float) -> tuple[Story, dict[str, object]]:
    story = Story().want(SHORT, LONG).tell("limited", until=9e9, by="ann@pod")
    return story, {"seconds": SECONDS, **left}


def test_what_would_end_in_time_starts_and_the_rest_stays_queued() -> None:
    story, left = limited(seconds_left=100.0)
    [start] = decide(story.facts(slots=2, **left))
    assert start.job == SHORT  # type: ignore[union-attr]
    story.claim(SHORT)
    at_work = [worker(queue=(SHORT,))]
    assert decide(story.facts(at_work, slots=2, **left)) == []
    facts = story.facts(at_work, **left)
    assert "nothing more would end in time; 1 job is left, about 10m00s" in note(facts)
    assert "would end in time" in why_queued(facts)


def test_at_the_end_it_pauses_and_says_what_is_left() -> None:
    story, left = limited(seconds_left=10.0)
    [pause] = decide(story.facts(**left))
    assert isinstance(pause, Pause) and pause.by == LIMIT
    assert pause.why.endswith("2 jobs are left, about 11m00s")
    story.tell("paused", mode="soft", by=pause.by, why=pause.why)
    assert decide(story.facts(**left)) == []
    assert "`tuilab run` or resume continues" in note(story.facts(**left))


def test_gpu_hours_are_shared_out_one_job_at_a_time() -> None:
    story, left = limited(gpu_seconds_left=650.0)
    assert kinds(decide(story.facts(slots=2, **left))) == ["Launch"]
    assert kinds(decide(story.facts(slots=2, seconds=SECONDS))) == ["Launch"]


def test_a_job_that_was_claimed_before_is_not_held_back_by_a_drain() -> None:
    story, left = limited(seconds_left=100.0)
    story.claim(SHORT)
    unbegun = {SHORT: replace(story.attempt(SHORT), begun_at=None)}
    assert decide(story.facts([worker(queue=(SHORT,))], unbegun, **left)) == []


def test_the_view_says_what_is_left() -> None:
    story, _ = limited()
    story.tell("limited", gpu_hours=2.0)
    view = describe(story.facts(gpu_seconds_left=5400.0), None, Meter(), ())
    assert view.limit == "1.50 GPU hours left"


def answered(story: Story, request: Request) -> list[str]:
    state = ExperimentState(story.plan, story.states, story.states.statuses)
    return [str(one["kind"]) for one in answer(request, Known(state, story.states.ledger)).entries]


def test_the_next_run_lifts_the_limit_and_goes_on_after_a_drain() -> None:
    story, _ = limited()
    story.tell("paused", mode="soft", by=LIMIT, why="x")
    assert answered(story, Request("run")) == ["wanted", "limited", "resumed"]
    assert answered(story, Request("resume")) == ["limited", "resumed"]
    fresh = Story()
    assert answered(fresh, Request("run")) == ["wanted"]
    asked = Request("run", options={"until": 5.0, "gpu_hours": None})
    assert answered(fresh, asked) == ["wanted", "limited"]


def test_a_person_s_pause_is_not_lifted_by_a_run() -> None:
    story, _ = limited()
    story.tell("paused", mode="soft", by="ann@pod")
    assert "resumed" not in answered(story, Request("run"))


def test_seconds_count_against_the_hours_from_when_the_limit_was_set() -> None:
    story = Story().want(SHORT, LONG).claim(SHORT).settle(SHORT, seconds=50.0)
    story.tell("limited", gpu_hours=1.0)
    story.claim(LONG).settle(LONG, "failed", seconds=20.0)
    ledger = story.states.ledger
    assert (ledger.spent, ledger.spent - ledger.spent_before) == (70.0, 20.0)
    assert ledger.limit.gpu_seconds == 3600.0


def test_the_forecast_takes_in_what_a_line_touched_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It took in every job after every line: a second each in a grid of 10,000 cells."""
    story = Story().want().claim(SHORT).settle(SHORT, seconds=50.0)
    heard: list[str] = []
    plain = Forecast.note

    def note_and_count(self: Forecast, job: str, known: Evidence) -> None:
        heard.append(job)
        plain(self, job, known)

    monkeypatch.setattr(Forecast, "note", note_and_count)
    costs = {job.id: Cost(10.0, 0) for job in story.plan.jobs}
    seconds = story.states.forecast_by(costs).seconds
    assert (seconds[SHORT], len(heard)) == (50.0, len(story.plan.jobs))
    heard.clear()
    story.claim(LONG).settle(LONG, seconds=70.0)
    assert story.states.forecast_by(costs).seconds[SHORT] == 60.0
    assert heard == [LONG, LONG]
