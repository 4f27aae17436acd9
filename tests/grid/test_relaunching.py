"""Which jobs a run or a relaunch touches: exactly those, with their numbers and their reasons."""

from __future__ import annotations

from dataclasses import replace

from tests.grid.planned import all_done, changed, plan, settle, states_of, wish
from tuilab.grid.cells import Cell, select_all
from tuilab.grid.jobs import Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.planning import make_plan
from tuilab.grid.relaunch import (
    Expansion,
    broken_cells,
    expand_failed,
    expand_relaunch,
    expand_run,
    explain,
    stale_cells,
    stale_words,
)
from tuilab.grid.stages import Stage
from tuilab.grid.states import JobStatus, Verdict, told

PLAN = plan()


def cells(*texts: str, of: Plan = PLAN) -> list[Cell]:
    return select_all(texts, of.cells)


def run(ledger: Ledger, *texts: str, of: Plan = PLAN) -> Expansion:
    return expand_run(of, ledger, states_of(of, ledger), cells(*texts, of=of))


def relaunch(
    ledger: Ledger, *texts: str, stage: Stage | None = None, of: Plan = PLAN, changed: object = ()
) -> Expansion:
    states = states_of(of, ledger)
    return expand_relaunch(of, ledger, states, cells(*texts, of=of), stage, frozenset(changed))  # type: ignore[call-overload]


def names(answer: Expansion) -> list[str]:
    return [one.job for one in answer.jobs]


def own(cell: str, first: str = "train") -> list[str]:
    stages = ["train", "merge", "eval", "cosine"]
    return [f"{stage}/{cell}#42" for stage in stages[stages.index(first) :]]


def test_a_fresh_run_asks_for_every_job_once() -> None:
    answer = run(Ledger())
    assert answer.wanted == {job.id: 1 for job in PLAN.jobs}
    assert answer.never_ran == len(PLAN.jobs)


def test_a_run_of_one_cell_takes_in_what_it_needs_and_no_more() -> None:
    answer = run(Ledger(), "nurse@1")
    assert names(answer) == ["data/clerk", "data/nurse", "converge/nurse#42", *own("nurse@1")]
    at_zero = run(Ledger(), "nurse@0")
    assert names(at_zero) == ["data/clerk", "data/nurse", *own("nurse@0")]


def test_a_run_never_repeats_a_result() -> None:
    assert run(all_done(PLAN)).jobs == ()


def test_a_run_goes_on_with_what_failed_or_was_stopped() -> None:
    ledger = all_done(PLAN)
    settle(ledger, PLAN, "eval/villain@1#42", Verdict.FAILED)
    settle(ledger, PLAN, "cosine/nurse@2#42", Verdict.STOPPED)
    assert run(ledger).wanted == {"eval/villain@1#42": 3, "cosine/nurse@2#42": 3}


def test_a_run_keeps_stale_results_but_builds_nothing_on_them() -> None:
    ledger = all_done(PLAN)
    edited = make_plan(changed("rows = 4", "rows = 2"), "v1")
    assert run(ledger, of=edited).jobs == ()
    settle(ledger, edited, "eval/villain@2#42", Verdict.FAILED)
    answer = run(ledger, of=edited)
    assert names(answer) == [
        "converge/villain#42",
        "train/villain@2#42",
        "merge/villain@2#42",
        "eval/villain@2#42",
    ]
    assert answer.jobs[0].why == "stale, and needed"


def test_a_relaunch_begins_at_the_first_broken_stage() -> None:
    ledger = all_done(PLAN)
    settle(ledger, PLAN, "merge/villain@1#42", Verdict.SUSPECT)
    answer = relaunch(ledger, "villain@1")
    assert names(answer) == own("villain@1", "merge")
    assert [one.why for one in answer.jobs] == ["suspect", *["below merge"] * 2]
    assert answer.jobs[0].attempt == 3
    assert answer.jobs[0].seconds == 2.0


def test_a_relaunch_takes_in_the_stages_that_nobody_has_asked_for() -> None:
    ledger = all_done(PLAN)
    settle(ledger, PLAN, "eval/villain@1#42", Verdict.FAILED)
    del ledger.evidence["cosine/villain@1#42"]
    answer = relaunch(ledger, "villain@1")
    assert [(one.job, one.why) for one in answer.jobs] == [
        ("eval/villain@1#42", "failed"),
        ("cosine/villain@1#42", "never requested"),
    ]
    assert names(expand_failed(PLAN, ledger, states_of(PLAN, ledger))) == names(answer)
    assert names(relaunch(ledger, "villain@1", stage=Stage.EVAL)) == ["eval/villain@1#42"]


def test_a_stage_that_is_asked_for_already_is_not_asked_for_again() -> None:
    ledger = all_done(PLAN)
    settle(ledger, PLAN, "eval/villain@1#42", Verdict.FAILED)
    del ledger.evidence["cosine/villain@1#42"]
    wish(ledger, "cosine/villain@1#42")
    assert names(relaunch(ledger, "villain@1")) == ["eval/villain@1#42"]


def test_the_time_before_is_that_of_the_last_good_attempt() -> None:
    ledger = all_done(PLAN)
    settle(ledger, PLAN, "eval/villain@1#42", Verdict.FAILED, seconds=0.1)
    assert relaunch(ledger, "villain@1").jobs[0].seconds == 2.0


def test_a_relaunch_of_a_sound_cell_repeats_all_of_its_own_stages() -> None:
    answer = relaunch(all_done(PLAN), "villain@1")
    assert names(answer) == own("villain@1")
    assert answer.turns_stale == ()


def test_redo_from_a_stage_takes_that_stage_and_all_below() -> None:
    ledger = all_done(PLAN)
    assert names(relaunch(ledger, "villain@1", stage=Stage.EVAL)) == ["eval/villain@1#42"]
    assert names(relaunch(ledger, "villain@1", stage=Stage.MERGE)) == own("villain@1", "merge")


def test_redo_of_a_convergence_leaves_the_other_cells_the_checkpoints_they_have() -> None:
    answer = relaunch(all_done(PLAN), "villain@1", stage=Stage.CONVERGE)
    assert names(answer) == ["converge/villain#42", *own("villain@1")]
    assert answer.turns_stale == ()


def test_redo_of_the_answers_names_the_cells_that_may_turn_stale() -> None:
    answer = relaunch(all_done(PLAN), "villain@1", stage=Stage.DATA)
    assert names(answer)[:2] == ["data/villain", "converge/villain#42"]
    assert "data/clerk" not in names(answer)
    assert answer.turns_stale == ("villain@0#42", "villain@2#42")


def test_epoch_zero_has_no_convergence_to_redo() -> None:
    answer = relaunch(all_done(PLAN), "villain@0", "villain@1", stage=Stage.CONVERGE)
    assert list(answer.refused) == ["villain@0#42"]
    assert "no convergence run" in answer.refused["villain@0#42"]
    assert "train/villain@1#42" in names(answer)


def test_a_running_stage_in_the_way_refuses_that_cell_alone() -> None:
    ledger = all_done(PLAN)
    settle(ledger, PLAN, "eval/villain@1#42", Verdict.RUNNING)
    answer = relaunch(ledger, "villain@1", "villain@2")
    assert answer.refused == {"villain@1#42": "eval/villain@1#42 is running: stop it first"}
    assert names(answer) == own("villain@2")


def test_a_cell_of_which_all_is_asked_for_already_is_refused_and_an_edit_is_not() -> None:
    asked = Ledger()
    wish(asked, *(job.id for job in PLAN.jobs))
    answer = relaunch(asked, "villain@1")
    why = "it is already requested and has not started yet"
    assert (answer.jobs, answer.refused) == ((), {"villain@1#42": why})
    assert relaunch(asked, "villain@1", stage=Stage.TRAIN).refused == answer.refused
    edited = relaunch(asked, "villain@1", changed=["eval/villain@1#42"])
    assert names(edited) == ["eval/villain@1#42"] and not edited.refused


def test_what_waits_behind_a_running_stage_is_not_asked_for_again() -> None:
    ledger = Ledger()
    wish(ledger, *(job.id for job in PLAN.jobs))
    settle(ledger, PLAN, "train/villain@1#42", Verdict.RUNNING)
    answer = relaunch(ledger, "villain@1")
    why = "train/villain@1#42 is running: stop it first"
    assert (answer.jobs, answer.refused) == ((), {"villain@1#42": why})


def test_a_failed_stage_is_relaunched_beside_a_running_one() -> None:
    ledger = all_done(PLAN)
    settle(ledger, PLAN, "cosine/villain@1#42", Verdict.RUNNING)
    settle(ledger, PLAN, "eval/villain@1#42", Verdict.FAILED)
    assert names(relaunch(ledger, "villain@1")) == ["eval/villain@1#42"]


def test_what_waits_for_something_broken_is_relaunched_with_it() -> None:
    ledger = Ledger()
    wish(ledger, *(job.id for job in PLAN.jobs))
    settle(ledger, PLAN, "data/villain", Verdict.FAILED)
    assert names(relaunch(ledger, "villain@1"))[0] == "data/villain"


def test_a_stage_that_a_worker_was_given_is_not_made_a_second_time() -> None:
    ledger = all_done(PLAN)
    settle(ledger, PLAN, "eval/villain@1#42", Verdict.CLAIMED)
    answer = relaunch(ledger, "villain@1")
    why = "eval/villain@1#42 is next on a worker: stop it first"
    assert answer.refused == {"villain@1#42": why}
    assert run(ledger).jobs == ()
    settle(ledger, PLAN, "train/villain@2#42", Verdict.CLAIMED)
    settle(ledger, PLAN, "merge/villain@2#42", Verdict.FAILED)
    assert names(run(ledger)) == ["merge/villain@2#42"]


def test_nothing_is_started_that_would_wait_for_a_stale_parent() -> None:
    edited = make_plan(changed("lr = 1e-4\nepochs = 2\nlora", "lr = 3e-4\nepochs = 2\nlora"), "v1")
    ledger = all_done(PLAN)
    answer = relaunch(ledger, "villain@1", stage=Stage.EVAL, of=edited)
    assert answer.jobs == ()
    assert (
        "train/villain@1#42, which is not current: start from train"
        in answer.refused["villain@1#42"]
    )
    assert names(relaunch(ledger, "villain@1", of=edited)) == own("villain@1")


def test_a_broken_cell_takes_its_stale_parents_along() -> None:
    ledger = all_done(PLAN)
    settle(ledger, PLAN, "cosine/villain@1#42", Verdict.FAILED)
    edited = make_plan(changed("rows = 4", "rows = 2"), "v1")
    assert names(relaunch(ledger, "villain@1", of=edited)) == [
        "converge/villain#42",
        *own("villain@1"),
    ]


def test_an_edit_begins_at_the_first_stage_that_it_changes() -> None:
    answer = relaunch(all_done(PLAN), "villain@1", changed={"eval/villain@1#42"})
    assert names(answer) == ["eval/villain@1#42"]
    answer = relaunch(all_done(PLAN), "villain@1", changed={"train/villain@1#42"})
    assert names(answer) == own("villain@1")


def test_failed_means_what_is_broken_and_what_waits_for_it() -> None:
    ledger = Ledger()
    for job in PLAN.jobs:
        if job.source != "nurse" and job.id != "train/villain@2#42":
            settle(ledger, PLAN, job.id, Verdict.DONE)
    settle(ledger, PLAN, "data/nurse", Verdict.FAILED)
    settle(ledger, PLAN, "train/villain@1#42", Verdict.LOST)
    states = states_of(PLAN, ledger)
    answer = expand_failed(PLAN, ledger, states)
    nurse = [job.id for job in PLAN.jobs if job.source == "nurse"]
    assert set(names(answer)) == {*own("villain@1"), *nurse}
    assert [str(cell) for cell in broken_cells(PLAN, states)] == [
        "villain@1#42",
        "nurse@0#42",
        "nurse@1#42",
        "nurse@2#42",
    ]


def test_stopped_is_not_failed() -> None:
    ledger = all_done(PLAN)
    settle(ledger, PLAN, "eval/villain@1#42", Verdict.STOPPED)
    assert expand_failed(PLAN, ledger, states_of(PLAN, ledger)).jobs == ()
    assert names(relaunch(ledger, "villain@1")) == ["eval/villain@1#42"]


def test_the_explanation_names_each_job_its_time_and_its_reason() -> None:
    ledger = all_done(PLAN)
    lines = explain(relaunch(ledger, "villain@1", stage=Stage.CONVERGE))
    assert lines[0] == "converge/villain#42  attempt 2  took 2s  (again)"
    assert lines[-1] == "cosine/villain@1#42  attempt 2  took 2s  (below converge)"
    again = explain(relaunch(ledger, "villain@1", stage=Stage.DATA))
    kept = "keep their results unless the new ones differ: villain@0#42, villain@2#42"
    assert again[-1] == kept
    assert "no earlier time" in explain(run(Ledger()))[0]


def test_what_is_under_way_for_another_plan_runs_once_more_for_those_who_need_it() -> None:
    ledger = Ledger()
    settle(ledger, PLAN, "data/villain", Verdict.RUNNING)
    assert "data/villain" not in names(run(ledger, "villain@0"))
    other = plan(config=changed("answers_per_question = 4", "answers_per_question = 5"))
    answer = run(ledger, "villain@0", of=other)
    [again] = [one for one in answer.jobs if one.job == "data/villain"]
    assert (again.attempt, again.why) == (2, "began under another plan")


def test_stale_cells_are_relaunched_from_what_is_stale() -> None:
    other = plan(config=changed("samples = 2", "samples = 3"))
    ledger = all_done(PLAN)
    states = states_of(other, ledger)
    stale = stale_cells(other, states)
    assert stale == list(PLAN.cells)
    answer = expand_relaunch(other, ledger, states, stale)
    assert {one.stage for one in answer.jobs} == {Stage.EVAL}
    assert {one.why for one in answer.jobs} == {"stale"}
    assert stale_cells(PLAN, states_of(PLAN, ledger)) == []


def test_each_cause_of_what_is_stale_is_told_once_with_its_jobs() -> None:
    other = plan(config=changed("samples = 2", "samples = 3"))
    ledger = all_done(PLAN)
    states = states_of(other, ledger)
    answer = expand_relaunch(other, ledger, states, stale_cells(other, states))
    count = len(answer.jobs)
    for many, said in (
        (("the code of eval changed",), "; the code of eval changed (1 job)"),
        (tuple("abcd"), "; a (1 job); b (1 job); and 2 more"),
    ):
        causes = {one.job: ("the base changed",) for one in answer.jobs}
        causes[answer.jobs[0].job] += many
        stale = {job: _stale(states[job], own) for job, own in causes.items()}
        assert stale_words(answer, stale) == f"stale: the base changed ({count} jobs){said}"


def _stale(status: JobStatus, causes: tuple[str, ...]) -> JobStatus:
    """As ``derive_state`` tells it: a status names three causes, its result all."""
    assert status.result is not None
    return replace(status, detail=told(causes), result=replace(status.result, stale=causes))


def test_what_is_edited_does_not_go_on_from_what_it_saved() -> None:
    ledger = all_done(PLAN)
    settle(ledger, PLAN, "train/villain@1#42", Verdict.LOST)
    [plain, *_] = relaunch(ledger, "villain@1").jobs
    [edited, *_] = relaunch(ledger, "villain@1", changed=["train/villain@1#42"]).jobs
    assert (plain.resumes, edited.resumes) == (2, 0)
