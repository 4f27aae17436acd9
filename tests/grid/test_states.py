"""State is a total function of evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuilab.grid.jobs import Job, Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.stages import CELL_STAGES, Stage
from tuilab.grid.states import (
    Attempt,
    Evidence,
    Explain,
    JobStatus,
    Result,
    State,
    Verdict,
    derive_cell,
    derive_state,
    other_bytes,
)

from .planned import all_done, changed, plan, settle, spoken, states_of, wish

JOB = Job(Stage.EVAL, "villain", 10, 42, ("merge/villain@10#42",), "s", "print")
PARENT = JOB.parents[0]
DONE = Attempt(1, "t", "print", {PARENT: "h1"}, verdict=Verdict.DONE, output_hash="o")


def parent(
    state: State, reason: str | None = None, blocked_by: str = "", output: str = "h1"
) -> dict[str, JobStatus]:
    result = Result(replace(DONE, output_hash=output))
    found = JobStatus(PARENT, Stage.MERGE, state, reason, blocked_by=blocked_by, result=result)
    return {PARENT: found}


def state(evidence: Evidence, of_parent: State = State.DONE, output: str = "h1") -> JobStatus:
    return derive_state(JOB, evidence, parent(of_parent, output=output))


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
    is_coming = above in (State.QUEUED, State.WAITING, State.RUNNING)
    assert found.detail == f"waits for {PARENT}" + ("" if is_coming else f" ({above.value})")
    needs_a_person = {State.FAILED, State.LOST, State.SUSPECT, State.STOPPED, State.STALE}
    assert (found.reason == "upstream") == (above in needs_a_person)


def test_waiting_for_what_waits_for_something_broken_is_upstream_too() -> None:
    above = parent(State.WAITING, "upstream", "data/villain")
    found = derive_state(JOB, Evidence(wanted=1), above)
    assert (found.reason, found.blocked_by) == ("upstream", "data/villain")
    below_stale = derive_state(JOB, Evidence(wanted=1), parent(State.WAITING, "upstream"))
    assert (below_stale.reason, below_stale.blocked_by) == ("upstream", "")
    going_on = derive_state(JOB, Evidence(wanted=1), parent(State.WAITING))
    assert (going_on.reason, going_on.blocked_by) == (None, "")


def test_what_is_broken_above_is_named_before_what_still_runs() -> None:
    job = replace(JOB, parents=("merge/a", "merge/b"))
    above = {
        "merge/a": JobStatus("merge/a", Stage.MERGE, State.RUNNING),
        "merge/b": JobStatus("merge/b", Stage.MERGE, State.LOST),
    }
    found = derive_state(job, Evidence(wanted=1), above)
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
    assert (newer.state, newer.detail) == (State.STALE, f"{PARENT} has another result")
    edited = state(Evidence((replace(DONE, fingerprint="old"),)))
    assert edited.state is State.STALE
    assert "config or the runner code" in edited.detail


def test_an_input_of_unknown_hash_makes_nothing_stale() -> None:
    assert state(Evidence((DONE,)), output="").state is State.DONE
    assert state(Evidence((replace(DONE, inputs={PARENT: ""}),)), output="h2").state is State.DONE


def test_children_read_the_newest_done_attempt_whatever_came_after() -> None:
    failed = replace(DONE, number=2, verdict=Verdict.FAILED)
    assert Evidence((DONE, failed)).last_done == DONE
    assert Evidence((failed,)).last_done is None


attempts = st.lists(st.sampled_from(Verdict), max_size=4).map(
    lambda verdicts: tuple(replace(DONE, number=n, verdict=v) for n, v in enumerate(verdicts, 1))
)


@settings(max_examples=50, deadline=None)
@given(
    attempts,
    st.integers(0, 6),
    st.sampled_from(State),
    st.sampled_from(["", "h1", "h2"]),
    st.sampled_from(["", "by ada"]),
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


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(State), min_size=4, max_size=4))
def test_a_cell_is_done_only_when_all_its_stages_are(states: list[State]) -> None:
    assert (cell(*states).state is State.DONE) == (set(states) == {State.DONE})


def test_a_stale_cell_names_the_causes_of_all_its_stages_and_the_code_once() -> None:
    jobs = [
        JobStatus(f"{stage.value}/a@0#1", stage, State.STALE, result=Result(DONE, causes))
        for stage, causes in (
            (Stage.TRAIN, ("the code of train changed",)),
            (Stage.EVAL, ("eval.samples 5 → 10", "the code of eval changed")),
        )
    ]
    assert derive_cell(jobs).detail == "eval.samples 5 → 10; the code of train changed"


# What a result is compared with, part by part.

RUN, DATA = "converge/villain#42", "data/villain"


def grown(epochs: str) -> Plan:
    """The small plan with other epochs; its convergence run is as long as before."""
    return plan(config=changed("epochs = [0, 1, 2]", f"epochs = {epochs}"))


def words(key: str) -> Explain:
    return lambda job, attempt: key


def test_a_changed_setting_is_told_by_every_result_below_it() -> None:
    ledger = all_done(plan())
    after = plan(config=changed("rows = 4", "rows = 2"))
    stale = spoken(after, ledger)
    assert stale["train/villain@1#42"] == stale[RUN] == "the settings of converge changed"
    assert not any("@0" in job or job.startswith("data/") for job in stale)
    job = after.by_id[RUN]
    known, above = ledger.of(RUN), {DATA: states_of(after, ledger)[DATA]}
    named = derive_state(job, known, above, words("convergence.rows 4 → 2"))
    assert named.detail == "convergence.rows 4 → 2"


def test_changed_code_is_named_by_its_stage_and_once() -> None:
    one = dict.fromkeys(("data", "converge", "train", "merge", "eval", "cosine"), "a")
    ledger = all_done(plan(code=one))
    assert set(spoken(plan(code={**one, "eval": "b"}), ledger).values()) == {
        "the code of eval changed"
    }
    every = spoken(plan(code=dict.fromkeys(one, "b")), ledger)
    assert every["train/villain@1#42"] == "the code of train changed"
    ledger = all_done(plan(base_hash="one"))
    told = spoken(plan(base_hash="other"), ledger)
    assert told[DATA] == "the files of the base changed"


def test_a_parent_that_is_made_again_with_the_same_bytes_leaves_its_children_done() -> None:
    ledger = all_done(plan())
    settle(ledger, plan(), DATA, Verdict.DONE, made=f"{DATA} 1")
    assert spoken(plan(), ledger) == {}
    settle(ledger, plan(), DATA, Verdict.DONE)
    stale = spoken(plan(), ledger)
    assert stale["train/villain@0#42"] == stale[RUN] == "data/villain has another result"


def test_settings_that_change_and_change_back_leave_everything_done() -> None:
    ledger = all_done(plan())
    after = plan(config=changed("samples = 2", "samples = 3"))
    assert {job.partition("/")[0] for job in spoken(after, ledger)} == {"eval"}
    assert spoken(plan(), ledger) == {}


def test_a_second_convergence_run_that_adds_a_checkpoint_replaces_none() -> None:
    before, after = grown("[0, 2]"), grown("[0, 1, 2]")
    ledger = all_done(before)
    known = states_of(after, ledger)
    assert (known[RUN].state, known[RUN].detail) == (
        State.STALE,
        "no checkpoint of epoch 1 was kept",
    )
    assert known["train/villain@2#42"].state is known["eval/villain@2#42"].state is State.DONE
    wish(ledger, "train/villain@1#42", "train/villain@2#42")
    known = states_of(after, ledger)
    assert known["train/villain@1#42"].state is State.WAITING
    assert known["train/villain@2#42"].state is State.QUEUED, "its own checkpoint is there"

    ledger = all_done(before)
    settle(ledger, after, RUN, Verdict.DONE)  # with other bytes for epoch 2
    for stage in CELL_STAGES:
        settle(ledger, after, f"{stage.value}/villain@1#42", Verdict.DONE)
    assert ledger.of("train/villain@1#42").attempts[-1].read[RUN] == 2
    assert set(spoken(after, ledger)) == {"converge/nurse#42"}, "nobody made that one again"


def test_what_comes_after_a_training_reads_the_checkpoint_that_it_was_trained_on() -> None:
    ledger = all_done(plan())
    settle(ledger, plan(), RUN, Verdict.DONE)
    settle(ledger, plan(), "eval/villain@1#42", Verdict.DONE)
    assert ledger.of("eval/villain@1#42").attempts[-1].read[RUN] == 1
    settle(ledger, plan(), "train/villain@1#42", Verdict.DONE)
    stale = spoken(plan(), ledger)
    assert stale["merge/villain@1#42"] == (
        f"train/villain@1#42 has another result; {RUN} has another epoch-1 checkpoint"
    )
    settle(ledger, plan(), "merge/villain@1#42", Verdict.DONE)
    assert ledger.of("merge/villain@1#42").attempts[-1].read[RUN] == 2


def test_a_checkpoint_made_by_other_settings_is_no_longer_the_cell_s() -> None:
    ledger = all_done(plan())
    after = plan(config=changed("rows = 4", "rows = 2"))
    settle(ledger, after, RUN, Verdict.DONE)
    stale = spoken(after, ledger)
    assert stale["train/villain@1#42"] == (
        f"{RUN} has another epoch-1 checkpoint (the settings of converge changed)"
    )
    again = all_done(plan())
    settle(again, after, RUN, Verdict.DONE, made=f"{RUN} 1")
    assert not any("villain" in job for job in spoken(after, again)), "the same bytes came out"


def test_other_bytes_of_an_equal_run_are_said() -> None:
    ledger = all_done(plan())
    settle(ledger, plan(), RUN, Verdict.DONE)
    known = ledger.of(RUN)
    said = other_bytes(RUN, known, 2, known.attempts[-1].checkpoints)
    assert said.startswith(f"{RUN} attempt 2 made other bytes than attempt 1 for the checkpoint of")
    assert "epoch 1, 2" in said
    assert other_bytes(RUN, known, 2, known.attempts[0].checkpoints) == ""


# A base that is fetched: a branch is a name, and the commit is what counts.

BASE = "fetch/some--base"


def on_hub(revision: str) -> Plan:
    """The small plan over a base that comes from a hub."""
    model = f'model = "some/base"\nrevision = "{revision}"'
    return plan(config=changed('model = "tiny"', model), is_on_hub=True)


def fetched(commit: str) -> Ledger:
    """What is known when the base was fetched at a commit and the grid has run once."""
    ledger = Ledger()
    settle(ledger, on_hub("main"), BASE, Verdict.DONE, made=commit)
    for job in on_hub("main").jobs[1:]:
        settle(ledger, on_hub("main"), job.id, Verdict.DONE)
    return ledger


def moved(ledger: Ledger, commit: str) -> Ledger:
    """Say that the branch is another commit by now."""
    ledger.fold([{"kind": "moved", "job": BASE, "attempt": 1, "commit": commit, "kept": "c1"}])
    return ledger


def test_a_branch_that_moved_on_is_stale_and_what_was_made_stays_done_and_goes_on() -> None:
    found = spoken(on_hub("main"), moved(fetched("c1"), "c2"))
    says = "main is now at c2, and this experiment keeps c1: set base.revision to one of them"
    assert found == {BASE: says}
    ledger = Ledger()
    settle(ledger, on_hub("main"), BASE, Verdict.DONE, made="c1")
    wish(ledger, DATA)
    assert states_of(on_hub("main"), moved(ledger, "c2"))[DATA].state is State.QUEUED


def test_a_base_that_is_pinned_to_the_commit_it_was_leaves_all_as_it_is() -> None:
    assert spoken(on_hub("c1"), moved(fetched("c1"), "c2")) == {}


def test_another_revision_of_the_base_makes_all_stale_and_so_does_its_fetch() -> None:
    ledger = fetched("c1")
    found = spoken(on_hub("c2"), ledger)
    assert len(found) == len(on_hub("c2").jobs)
    assert set(found.values()) == {"base.revision main → c2"}
    settle(ledger, on_hub("c2"), BASE, Verdict.DONE, made="c2")
    found = spoken(on_hub("c2"), ledger)
    assert BASE not in found and found[DATA] == "the base was c1 and is c2 now"
    settle(ledger, on_hub("c1"), BASE, Verdict.DONE, made="c1")
    assert spoken(on_hub("c1"), ledger) == {}
