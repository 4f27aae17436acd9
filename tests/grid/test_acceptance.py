"""A person's word keeps a stale result, until what it was given for changes once more."""

from __future__ import annotations

from dataclasses import replace

from tuilab.grid.acceptance import acceptances, why_not_accept
from tuilab.grid.cells import select_all
from tuilab.grid.jobs import Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.states import State, Verdict

from .planned import all_done, changed, plan, settle, spoken, states_of, wish

DATA = "data/villain"


def accept(ledger: Ledger, made: Plan, *cells: str) -> set[str]:
    """Let a person keep what is stale of some cells; returns the jobs that it is said of."""
    chosen = select_all(cells, made.cells)
    jobs = acceptances(made, ledger.of, chosen, lambda job, attempt: "")
    ledger.fold([{"kind": "accepted", "jobs": jobs, "by": "ada", "why": "same numbers"}])
    return set(jobs)


def of_version_0_1(ledger: Ledger) -> Ledger:
    """Leave of the attempts what version 0.1 recorded."""
    for job, known in ledger.evidence.items():
        whole = {
            parent: ledger.of(parent).attempts[-1].output_hash
            for parent in known.attempts[-1].inputs
        }
        old = replace(
            known.attempts[-1], parts=None, read={}, checkpoints={}, inputs=whole, fingerprint="0"
        )
        ledger.evidence[job] = replace(known, attempts=(old,))
    return ledger


def test_what_version_0_1_made_is_stale_and_says_what_keeps_it() -> None:
    ledger = of_version_0_1(all_done(plan()))
    stale = spoken(plan(), ledger)
    assert set(stale) == set(plan().by_id)
    said = "made by tuilab 0.1, whose train code differs; accept keeps it"
    assert stale["train/villain@1#42"] == said


def test_a_word_for_every_cell_of_version_0_1_keeps_the_grid_and_it_grows() -> None:
    before = plan(config=changed("epochs = [0, 1, 2]", "epochs = [0, 2]"))
    ledger = of_version_0_1(all_done(before))
    chosen = select_all((), before.cells)
    jobs = acceptances(
        before, ledger.of, chosen, lambda job, attempt: "", lambda job, number: {2: f"{job} 2"}
    )
    ledger.fold([{"kind": "accepted", "jobs": jobs, "by": "ada", "why": "same numbers"}])
    assert spoken(before, ledger) == {}
    after = plan()
    assert set(spoken(after, ledger)) == {"converge/villain#42", "converge/nurse#42"}
    settle(ledger, after, "converge/villain#42", Verdict.DONE)
    assert set(spoken(after, ledger)) == {"converge/nurse#42"}
    wish(ledger, "eval/villain@2#42")
    settle(ledger, after, "eval/villain@2#42", Verdict.DONE)
    evaluated = ledger.of("eval/villain@2#42").attempts[-1]
    assert evaluated.read["converge/villain#42"] == 1, "the checkpoint that it was trained on"
    assert set(spoken(after, ledger)) == {"converge/nurse#42"}


def test_an_accepted_result_counts_until_its_job_changes_once_more() -> None:
    ledger = all_done(plan())
    after = plan(config=changed("samples = 2", "samples = 3"))
    one = "eval/villain@1#42"
    assert accept(ledger, after, "villain@1") == {one}
    known = states_of(after, ledger)[one]
    assert known.state is State.DONE
    assert known.accepted == "the settings of eval changed; accepted by ada: same numbers"
    assert "eval/villain@2#42" in spoken(after, ledger)
    assert states_of(plan(), ledger)[one].accepted == "", "as planned, nothing is to accept"
    assert one in spoken(plan(config=changed("samples = 2", "samples = 4")), ledger)


def test_what_rests_on_an_accepted_result_is_current_and_says_so() -> None:
    ledger = all_done(plan())
    settle(ledger, plan(), DATA, Verdict.DONE)
    assert "eval/villain@0#42" in spoken(plan(), ledger)
    assert accept(ledger, plan(), "villain@0") == {"train/villain@0#42"}
    assert not any("villain@0" in job for job in spoken(plan(), ledger))
    assert (
        "data/villain has another result" in states_of(plan(), ledger)["eval/villain@0#42"].accepted
    )


def test_shared_results_are_accepted_with_the_cell_and_other_cells_say_so() -> None:
    ledger = all_done(plan())
    after = plan(config=changed("answers_per_question = 4", "answers_per_question = 5"))
    assert accept(ledger, after, "villain@0") == {DATA, "data/clerk"}
    states = states_of(after, ledger)
    assert states["eval/villain@2#42"].state is State.DONE
    assert states["eval/villain@2#42"].accepted == states[DATA].accepted != ""


def test_a_cell_that_is_not_stale_has_nothing_to_accept() -> None:
    ledger = all_done(plan())
    [cell] = select_all(["villain@1"], plan().cells)
    said = "villain@1#42 is not stale: there is nothing to accept"
    assert why_not_accept(plan(), states_of(plan(), ledger), [cell]) == said
    after = plan(config=changed("samples = 2", "samples = 3"))
    assert why_not_accept(after, states_of(after, ledger), after.cells) == ""


def test_a_new_attempt_needs_no_word() -> None:
    ledger = all_done(plan())
    after = plan(config=changed("samples = 2", "samples = 3"))
    accept(ledger, after, "villain@1")
    settle(ledger, after, "eval/villain@1#42", Verdict.DONE)
    assert states_of(after, ledger)["eval/villain@1#42"].accepted == ""
