"""What follows a bad end: once more, nothing, or a hold after three of a kind."""

from __future__ import annotations

from tuilab.contract.reasons import preempted
from tuilab.engine.decide.retry import signature, why_hold, why_retry
from tuilab.grid.states import Attempt, Verdict


def attempts(*ends: tuple[str, str | None, str]) -> list[Attempt]:
    return [
        Attempt(number, "t", "f", verdict=Verdict(verdict), reason=reason, detail=detail)
        for number, (verdict, reason, detail) in enumerate(ends, start=1)
    ]


KILLED = ("failed", "killed", "killed by signal 9 (exit 137)")
LOST = ("lost", "killed", "its shim was killed")
UNBEGUN = ("lost", None, "never begun: worker w0-83f88f39 ended first")
OOM = ("failed", "gpu-oom", "tried to allocate 2.30 GiB")
DONE = ("done", None, "")


def test_a_kill_is_tried_once_more_and_not_twice() -> None:
    assert why_retry(attempts(KILLED), 1)
    assert not why_retry(attempts(KILLED, KILLED), 1)
    assert not why_retry(attempts(KILLED, LOST), 1)


def test_a_result_in_between_starts_the_count_anew() -> None:
    assert why_retry(attempts(KILLED, DONE, KILLED), 1)


def test_attempts_that_never_began_do_not_count() -> None:
    assert why_retry(attempts(UNBEGUN, UNBEGUN), 0)
    assert why_retry(attempts(UNBEGUN, KILLED), 1)
    assert why_retry(attempts(KILLED, UNBEGUN), 1)


def test_a_job_whose_workers_never_begin_it_is_not_tried_for_ever() -> None:
    other = ("lost", None, "never begun: worker w0-9a5d66ab ended first")
    history = attempts(UNBEGUN, other, UNBEGUN)
    assert not why_retry(history, 1)
    assert why_hold(history)


def test_zero_retries_means_none() -> None:
    assert not why_retry(attempts(KILLED), 0)


def test_three_of_a_kind_hold_the_job_and_name_the_next_action() -> None:
    assert not why_hold(attempts(OOM, OOM))
    sentence = why_hold(attempts(OOM, OOM, OOM))
    assert "3 attempts" in sentence
    assert "lower the batch size" in sentence


def test_three_different_failures_do_not_hold_the_job() -> None:
    assert not why_hold(attempts(OOM, KILLED, OOM))


def test_numbers_and_paths_do_not_tell_failures_apart() -> None:
    one, two = attempts(
        ("failed", "code", "IndexError: index 17 is out of range in /a/b.py"),
        ("failed", "code", "IndexError: index 4 is out of range in /c/d.py"),
    )
    assert signature(one) == signature(two)


def test_a_stop_is_no_failure() -> None:
    stopped = ("stopped", None, "stopped by ada")
    assert not why_hold(attempts(stopped, stopped, stopped))
    assert not why_retry(attempts(stopped), 3)


def taken(has_saved: bool) -> tuple[str, str | None, str]:
    death = preempted(has_saved)
    return ("lost", death.reason, death.detail)


def test_a_job_that_is_taken_away_again_and_again_goes_on_while_its_saved_state_grows() -> None:
    history = attempts(*[taken(True)] * 9)
    assert why_retry(history, 0)
    assert not why_hold(history)


def test_a_job_that_is_taken_away_before_it_saves_anything_is_held_after_three() -> None:
    assert why_retry(attempts(taken(False), taken(False)), 0)
    history = attempts(*[taken(False)] * 3)
    assert not why_retry(history, 9)
    assert "saved" in why_hold(history) or "preempted" in why_hold(history)


def test_what_was_taken_away_leaves_the_retries_of_real_failures() -> None:
    assert why_retry(attempts(taken(True), taken(True), KILLED), 1)
