"""Which unfinished attempts a new one may go on from."""

from __future__ import annotations

import pytest

from tuilab.grid.jobs import Job
from tuilab.grid.ledger import Ledger
from tuilab.grid.resuming import may_go_on_from
from tuilab.grid.stages import Stage
from tuilab.grid.states import Attempt, Evidence, Verdict

JOB = Job(Stage.CONVERGE, "villain", None, 42, ("data/villain",), "plain", "print")
INPUTS = {"data/villain": "rows"}


def attempts(*verdicts: Verdict) -> tuple[Attempt, ...]:
    return tuple(
        Attempt(number, "t", "print", INPUTS, verdict=verdict)
        for number, verdict in enumerate(verdicts, 1)
    )


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.LOST, Verdict.STOPPED])
def test_unfinished_attempts_are_taken_up_newest_first(verdict: Verdict) -> None:
    known = Evidence(attempts(verdict, verdict))
    assert may_go_on_from(JOB, known, INPUTS) == (2, 1)


@pytest.mark.parametrize("verdict", [Verdict.DONE, Verdict.SUSPECT])
def test_nothing_from_before_a_finished_attempt_is_taken_up(verdict: Verdict) -> None:
    assert may_go_on_from(JOB, Evidence(attempts(Verdict.LOST, verdict)), INPUTS) == ()
    known = Evidence(attempts(Verdict.LOST, verdict, Verdict.FAILED))
    assert may_go_on_from(JOB, known, INPUTS) == (3,)


def test_what_a_running_attempt_was_built_on_stays_in_use() -> None:
    assert may_go_on_from(JOB, Evidence(attempts(Verdict.LOST, Verdict.RUNNING))) == (1,)


def test_an_attempt_of_other_settings_or_other_inputs_is_not_taken_up() -> None:
    edited = Job(Stage.CONVERGE, "villain", None, 42, JOB.parents, "plain", "another print")
    known = Evidence(attempts(Verdict.FAILED))
    assert may_go_on_from(edited, known, INPUTS) == ()
    assert may_go_on_from(JOB, known, {"data/villain": "newer rows"}) == ()


def test_only_training_stages_go_on() -> None:
    sampled = Job(Stage.EVAL, "villain", 0, 42, (), "plain", "print")
    assert may_go_on_from(sampled, Evidence(attempts(Verdict.FAILED)), INPUTS) == ()


def test_a_start_from_scratch_holds_for_later_retries_too() -> None:
    ledger = Ledger()

    def try_once(number: int, **wish: object) -> None:
        ledger.fold(
            [
                {"kind": "wanted", "jobs": {JOB.id: number}, **wish},
                {"kind": "claimed", "job": JOB.id, "attempt": number, "token": "t",
                 "fingerprint": "print", "inputs": INPUTS},
                {"kind": "settled", "job": JOB.id, "attempt": number, "verdict": "lost"},
            ]
        )  # fmt: skip

    try_once(1)
    ledger.fold([{"kind": "wanted", "jobs": {JOB.id: 2}, "restart": True}])
    assert may_go_on_from(JOB, ledger.of(JOB.id), INPUTS) == ()
    try_once(2, restart=True)
    assert may_go_on_from(JOB, ledger.of(JOB.id), INPUTS) == (2,)
    try_once(3, verb="retry")
    assert may_go_on_from(JOB, ledger.of(JOB.id), INPUTS) == (3, 2)
