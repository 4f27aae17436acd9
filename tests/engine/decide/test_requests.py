"""What a request comes to: journal entries and stops, or one sentence why not."""

from __future__ import annotations

from typing import Any

from tests.engine.facts_of import Story
from tuilab.engine.decide.requests import Answer, Known, answer
from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.request import Request


def ask(story: Story, verb: str, **parts: Any) -> Answer:
    state = ExperimentState(story.plan, story.states, story.states.statuses)
    return answer(Request(verb, by="ada", id="r1", **parts), Known(state, story.states.ledger))


def test_a_run_asks_for_the_cells_and_all_they_need() -> None:
    [entry] = ask(Story(), "run", cells=("villain@0#42",)).entries
    assert set(entry["jobs"]) == {
        "data/villain",
        "data/clerk",
        *(f"{stage}/villain@0#42" for stage in ("train", "merge", "eval", "cosine")),
    }
    assert set(entry["jobs"].values()) == {1}
    assert (entry["by"], entry["request"]) == ("ada", "r1")


def test_a_run_of_a_finished_grid_is_accepted_and_says_that_nothing_is_left() -> None:
    story = Story()
    story.make(*(job.id for job in story.plan.jobs))
    given = ask(story, "run")
    assert given.accepted
    assert "done or under way" in given.why
    assert given.entries[0]["jobs"] == {}


def test_exactly_the_jobs_that_were_shown_are_relaunched() -> None:
    story = Story().make("data/villain", "data/clerk")
    [entry] = ask(story, "relaunch", jobs=("data/clerk",), cells=("villain@*",)).entries
    assert entry["jobs"] == {"data/clerk": 2}


def test_what_runs_is_not_relaunched() -> None:
    story = Story().want("data/villain").claim("data/villain")
    given = ask(story, "relaunch", jobs=("data/villain",))
    assert not given.accepted
    assert "stop it first" in given.why


def test_what_a_worker_was_given_is_next_and_neither_moved_nor_held() -> None:
    story = Story().want("data/villain", "data/nurse").claim("data/nurse")
    moved = ask(story, "order", jobs=("data/nurse",))
    assert (moved.accepted, moved.why) == (False, "data/nurse is next on a worker already")
    held = ask(story, "hold", jobs=("data/nurse",))
    assert (held.accepted, "next on a worker: stop it first" in held.why) == (False, True)
    assert ask(story, "hold").entries[0]["jobs"][:1] == ["data/villain"]
    assert "data/nurse" not in ask(story, "hold").entries[0]["jobs"]
    assert ask(story, "stop", jobs=("data/nurse",)).stops == ("data/nurse",)


def test_a_stop_unwants_what_is_due_and_names_what_runs() -> None:
    story = Story().want("data/villain", "data/nurse").claim("data/villain")
    given = ask(story, "stop")
    assert given.stops == ("data/villain",)
    assert given.entries[0]["jobs"] == ["data/villain", "data/nurse"]


def test_a_stop_of_one_cell_leaves_shared_jobs_alone() -> None:
    story = Story().want()
    [entry] = ask(story, "stop", cells=("villain@0#42",)).entries
    assert all(job.endswith("villain@0#42") for job in entry["jobs"])


def test_an_order_keeps_the_wished_sequence_with_what_each_job_needs_before_it() -> None:
    story = Story().want().make("data/villain", "data/clerk")
    wish = ("train/villain@0#42", "train/nurse@0#42", "converge/villain#42")
    [entry] = ask(story, "order", jobs=wish).entries
    assert entry["jobs"] == [
        "train/villain@0#42",
        "data/nurse",
        "train/nurse@0#42",
        "converge/villain#42",
    ]


def test_a_later_order_goes_before_an_earlier_one() -> None:
    story = Story().want().tell("ordered", jobs=["data/nurse"])
    [entry] = ask(story, "order", jobs=("data/clerk",)).entries
    assert entry["jobs"] == ["data/clerk", "data/nurse"]


def test_pausing_twice_the_same_way_is_refused_and_harder_is_not() -> None:
    story = Story().tell("paused", mode="soft", by="ada")
    assert not ask(story, "pause").accepted
    assert ask(story, "pause", options={"mode": "hard"}).accepted
    assert not ask(story, "pause", options={"mode": "gently"}).accepted


def test_a_resume_is_also_the_go_that_a_waiting_engine_wants() -> None:
    story = Story().tell("engine-started", go=False)
    assert ask(story, "resume").accepted
    assert not ask(story.tell("resumed", by="ada"), "resume").accepted


def test_what_does_not_exist_is_refused_by_name() -> None:
    assert "'pirate'" in ask(Story(), "run", cells=("pirate",)).why
    assert "train/pirate@0#42" in ask(Story(), "run", jobs=("train/pirate@0#42",)).why
    assert "not a verb" in ask(Story(), "dance").why
