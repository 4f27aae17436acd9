"""State is a total function of evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuilab.grid.jobs import Job
from tuilab.grid.stages import CELL_STAGES, Stage
from tuilab.grid.states import (
    Attempt,
    Evidence,
    JobStatus,
    State,
    Verdict,
    derive_cell,
    derive_state,
    why_stale,
)

JOB = Job(Stage.EVAL, "villain", 10, 42, ("merge/villain@10#42",), "s", "print")
PARENT = JOB.parents[0]
DONE = Attempt(1, "t", "print", {PARENT: "h1"}, verdict=Verdict.DONE, output_hash="o")


def parent(state: State, reason: str | None = None, blocked_by: str = "") -> dict[str, JobStatus]:
    return {PARENT: JobStatus(PARENT, Stage.MERGE, state, reason, blocked_by=blocked_by)}


def state(evidence: Evidence, of_parent: State = State.DONE, output: str = "h1") -> JobStatus:
    return derive_state(JOB, evidence, parent(of_parent), {PARENT: output})


def test_nobody_asked_so_it_is_idle() -> None:
    assert state(Evidence()).state is State.IDLE


def test_asked_for_and_able_to_run_is_queued_with_what_holds_it() -> None:
    assert state(Evidence(wanted=1)).state is State.QUEUED
    assert state(Evidence(wanted=1, held="the breaker")).detail == "the breaker"


def test_what_waits_may_be_held_as_well() -> None:
    found = state(Evidence(wanted=1, held="by ada"), State.RUNNING)
    assert (found.state, found.held) == (State.WAITING, "by ada")
    assert found.detail.startswith("waits for")


@pytest.mark.parametrize("above", [state for state in State if state is not State.DONE])
def test_what_is_not_done_above_makes_it_wait_and_is_named(above: State) -> None:
    found = state(Evidence(wanted=1), above)
    assert found.state is State.WAITING
    assert found.detail == f"waits for {PARENT} ({above.value})"
    broken = {State.FAILED, State.LOST, State.SUSPECT, State.STOPPED}
    assert (found.reason == "upstream") == (above in broken)


def test_waiting_for_what_waits_for_something_broken_is_upstream_too() -> None:
    above = parent(State.WAITING, "upstream", "data/villain")
    found = derive_state(JOB, Evidence(wanted=1), above, {})
    assert (found.reason, found.blocked_by) == ("upstream", "data/villain")
    going_on = derive_state(JOB, Evidence(wanted=1), parent(State.WAITING), {})
    assert (going_on.reason, going_on.blocked_by) == (None, "")


def test_what_is_broken_above_is_named_before_what_still_runs() -> None:
    job = replace(JOB, parents=("merge/a", "merge/b"))
    above = {
        "merge/a": JobStatus("merge/a", Stage.MERGE, State.RUNNING),
        "merge/b": JobStatus("merge/b", Stage.MERGE, State.LOST),
    }
    found = derive_state(job, Evidence(wanted=1), above, {})
    assert found.detail == "waits for merge/b (lost)"
    assert found.blocked_by == "merge/b"


@pytest.mark.parametrize("verdict", Verdict)
def test_the_last_attempt_decides(verdict: Verdict) -> None:
    found = state(Evidence((DONE, replace(DONE, number=2, verdict=verdict)), wanted=2))
    is_given = verdict is Verdict.CLAIMED
    assert found.state is (State.QUEUED if is_given else State(verdict.value))
    assert found.attempt == 2


def test_what_a_worker_was_given_and_has_not_begun_is_queued_there() -> None:
    given = replace(DONE, number=2, verdict=Verdict.CLAIMED, worker="w0-83f88f39")
    found = state(Evidence((DONE, given), wanted=2))
    assert (found.state, found.given_to, found.is_live) == (State.QUEUED, "w0-83f88f39", True)
    begun = state(Evidence((DONE, replace(given, verdict=Verdict.RUNNING)), wanted=2))
    assert (begun.state, begun.given_to, begun.is_live) == (State.RUNNING, "", True)
    asked = state(Evidence((DONE,), wanted=2))
    assert (asked.given_to, asked.is_live) == ("", False)


def test_a_live_attempt_outranks_a_wish_and_a_wish_outranks_a_verdict() -> None:
    live = replace(DONE, verdict=Verdict.RUNNING)
    assert state(Evidence((live,), wanted=2)).state is State.RUNNING
    assert state(Evidence((DONE,), wanted=2)).state is State.QUEUED


def test_done_is_stale_when_config_code_or_an_input_has_changed() -> None:
    assert state(Evidence((DONE,))).state is State.DONE
    newer = state(Evidence((DONE,)), output="h2")
    assert (newer.state, newer.detail) == (State.STALE, f"{PARENT} has a newer result")
    edited = state(Evidence((replace(DONE, fingerprint="old"),)))
    assert edited.state is State.STALE
    assert "config or the runner code" in edited.detail


def test_an_input_of_unknown_hash_makes_nothing_stale() -> None:
    assert why_stale(JOB, DONE, {PARENT: ""}) == ""
    assert why_stale(JOB, replace(DONE, inputs={PARENT: ""}), {PARENT: "h2"}) == ""


def test_children_read_the_newest_done_attempt_whatever_came_after() -> None:
    failed = replace(DONE, number=2, verdict=Verdict.FAILED)
    assert Evidence((DONE, failed)).last_done == DONE
    assert Evidence((failed,)).last_done is None


attempts = st.lists(st.sampled_from(Verdict), max_size=4).map(
    lambda verdicts: tuple(replace(DONE, number=n, verdict=v) for n, v in enumerate(verdicts, 1))
)


@given(
    attempts,
    st.integers(0, 6),
    st.sampled_from(State),
    st.sampled_from(["", "h1", "h2"]),
    st.text(),
)
def test_every_evidence_has_a_state(
    tried: tuple[Attempt, ...], wanted: int, above: State, output: str, held: str
) -> None:
    evidence = Evidence(tried, wanted, held)
    found = state(evidence, above, output)
    assert found.job == JOB.id
    is_given = bool(tried) and tried[-1].verdict is Verdict.CLAIMED
    is_running = bool(tried) and tried[-1].verdict is Verdict.RUNNING
    assert bool(found.given_to) == is_given
    assert (found.state in (State.QUEUED, State.WAITING)) == (
        is_given or (evidence.is_due and not is_running)
    )


def cell(*states: State) -> JobStatus:
    return derive_cell(
        [JobStatus(s.value, s, found) for s, found in zip(CELL_STAGES, states, strict=True)]
    )


@pytest.mark.parametrize(
    ("states", "speaks", "stage"),
    [
        ([State.DONE] * 4, State.DONE, Stage.TRAIN),
        ([State.DONE, State.DONE, State.RUNNING, State.FAILED], State.RUNNING, Stage.EVAL),
        ([State.DONE, State.FAILED, State.WAITING, State.WAITING], State.FAILED, Stage.MERGE),
        ([State.DONE, State.DONE, State.DONE, State.STALE], State.STALE, Stage.COSINE),
        ([State.DONE, State.IDLE, State.IDLE, State.IDLE], State.IDLE, Stage.MERGE),
        ([State.STALE, State.DONE, State.QUEUED, State.IDLE], State.QUEUED, Stage.EVAL),
        ([State.STOPPED, State.WAITING, State.WAITING, State.IDLE], State.STOPPED, Stage.TRAIN),
    ],
)
def test_a_cell_is_what_its_most_telling_stage_is(
    states: list[State], speaks: State, stage: Stage
) -> None:
    found = cell(*states)
    assert (found.state, found.stage) == (speaks, stage)


@given(st.lists(st.sampled_from(State), min_size=4, max_size=4))
def test_a_cell_is_done_only_when_all_its_stages_are(states: list[State]) -> None:
    assert (cell(*states).state is State.DONE) == (set(states) == {State.DONE})
