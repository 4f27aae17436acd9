"""What became of an attempt: outcome first, then the worker's end, then silence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.engine.facts_of import GOOD, Story, kinds, worker
from tuilab.contract.reasons import Exit, Reason
from tuilab.contract.worker import Stop
from tuilab.engine.decide.actions import (
    Assign,
    CallStalled,
    Pause,
    RecordStart,
    Settle,
    StopWorker,
)
from tuilab.engine.decide.facts import Disk
from tuilab.engine.decide.phase import Phase
from tuilab.engine.decide.tick import decide
from tuilab.grid.endings import Ending
from tuilab.grid.states import Verdict

JOB = "data/villain"


def one_live(**policy: object) -> Story:
    return Story(**policy).want(JOB).claim(JOB)


def settled(story: Story, **changes: object) -> Settle:
    worker_fact = changes.pop("worker", worker(queue=(JOB,), has_served=True))
    facts = story.facts([worker_fact], {JOB: story.attempt(JOB, **changes)})
    return next(action for action in decide(facts) if isinstance(action, Settle))


def gone(code: int | None = 137, **changes: object) -> object:
    end = changes.pop("exit", Exit(code))
    return worker(phase=Phase.GONE, exit=end, queue=(JOB,), has_served=True, **changes)


def test_a_verified_outcome_is_believed_while_the_worker_lives() -> None:
    assert settled(one_live(), ending=GOOD).ending.verdict is Verdict.DONE


def test_an_outcome_outranks_the_death_of_its_worker() -> None:
    assert settled(one_live(), ending=GOOD, worker=gone(137)).ending.verdict is Verdict.DONE


def test_nothing_is_settled_while_the_runner_is_at_work() -> None:
    story = one_live()
    assert decide(story.facts([worker(queue=(JOB,))])) == []


def test_a_killed_runner_failed_by_its_signal_and_is_tried_again() -> None:
    action = settled(one_live(), worker=gone(137))
    assert (action.ending.verdict, action.ending.reason) == (Verdict.FAILED, Reason.KILLED)
    assert "signal 9" in action.ending.detail
    assert action.retry


def test_exit_137_with_a_risen_oom_counter_is_host_oom_and_not_tried_again() -> None:
    action = settled(one_live(), worker=gone(exit=Exit(137, oom_kills=1)))
    assert action.ending.reason is Reason.HOST_OOM
    assert not action.retry


def test_the_log_names_what_the_exit_code_does_not() -> None:
    log = ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB",)
    action = settled(one_live(), worker=gone(1), log=log)
    assert action.ending.reason is Reason.GPU_OOM
    assert not action.retry


def test_an_unexplained_exit_on_a_full_disk_is_called_disk_full_and_pauses() -> None:
    story = one_live()
    facts = story.facts(
        [gone(1)], disk=Disk(free=0, problem="no space"), attempts={JOB: story.attempt(JOB)}
    )
    actions = decide(facts)
    assert kinds(actions) == ["Settle", "Pause"]
    assert actions[0].ending.reason is Reason.DISK_FULL


def test_disk_full_as_reported_by_the_runner_pauses_the_grid() -> None:
    story = one_live()
    full = Ending(Verdict.FAILED, "disk-full", "No space left on device")
    facts = story.facts([worker(queue=(JOB,))], {JOB: story.attempt(JOB, ending=full)})
    assert [a.why for a in decide(facts) if isinstance(a, Pause)] == [
        "the disk was full in data/villain: No space left on device"
    ]


def test_a_killed_shim_leaves_the_attempt_lost() -> None:
    end = Exit(None, why="its shim was killed, and its processes are gone")
    action = settled(one_live(), worker=gone(exit=end))
    assert action.ending.verdict is Verdict.LOST
    assert action.retry


def test_an_attempt_that_was_not_begun_is_asked_for_again_whatever_ended_its_worker() -> None:
    action = settled(one_live(), begun_at=None, worker=gone(1))
    assert action.ending.verdict is Verdict.LOST
    assert action.ending.reason is None
    assert action.retry


def test_of_two_assigned_attempts_only_the_begun_one_is_charged_with_the_crash() -> None:
    story = Story().want(JOB, "data/nurse").claim(JOB).claim("data/nurse")
    facts = story.facts(
        [replace(gone(139), queue=(JOB, "data/nurse"))],
        {"data/nurse": story.attempt("data/nurse", begun_at=None)},
    )
    by_job = {a.job: a.ending for a in decide(facts) if isinstance(a, Settle)}
    assert by_job[JOB].verdict is Verdict.FAILED
    assert by_job["data/nurse"].verdict is Verdict.LOST


def test_what_lay_ahead_of_a_job_that_ends_its_workers_is_never_held_for_it() -> None:
    story = Story().want(JOB, "data/nurse")
    unbegun = "never begun: worker w0 ended first"
    for _ in range(2):
        story.claim("data/nurse").settle("data/nurse", "lost", detail=unbegun).want("data/nurse")
    story.claim(JOB).claim("data/nurse")
    facts = story.facts(
        [replace(gone(139), queue=(JOB, "data/nurse"))],
        {"data/nurse": story.attempt("data/nurse", begun_at=None)},
    )
    ahead = next(a for a in decide(facts) if isinstance(a, Settle) and a.job == "data/nurse")
    assert (ahead.ending.verdict, ahead.hold) == (Verdict.LOST, "")
    assert ahead.retry == "it had not started"


def test_a_worker_that_never_came_up_is_charged_to_its_first_job() -> None:
    dead = replace(gone(1), has_served=False, log=("ImportError: libcudart.so.13",))
    action = settled(one_live(), begun_at=None, worker=dead)
    assert (action.ending.verdict, action.ending.reason) == (Verdict.FAILED, Reason.CODE)
    assert "libcudart" in action.ending.detail


def test_a_stopped_attempt_is_stopped_whether_or_not_the_runner_managed_to_say_so() -> None:
    stop = Stop("ada", jobs=(JOB,))
    silent = settled(one_live(), worker=replace(gone(143), stop=stop))
    said = Ending(Verdict.STOPPED, None, "stopped by ada", by="ada")  # as the store reads it
    spoken = settled(one_live(), ending=said, worker=replace(gone(0), stop=stop))
    for action in (silent, spoken):
        assert action.ending.verdict is Verdict.STOPPED
        assert action.ending.by == "ada"
        assert not action.retry


def test_an_attempt_whose_place_takes_the_worker_away_is_preempted_and_tried_again() -> None:
    taken = Stop("its place", is_preempted=True)
    cut = Ending(Verdict.FAILED, Reason.KILLED, "asked to stop by SIGTERM")
    spoken = settled(
        one_live(retries=0), ending=cut, has_saved=True, worker=replace(gone(0), stop=taken)
    )
    silent = settled(one_live(retries=0), worker=replace(gone(137), stop=taken))
    for action in (spoken, silent):
        assert (action.ending.verdict, action.ending.reason) == (Verdict.LOST, Reason.PREEMPTED)
        assert action.retry
    assert "saved state" in spoken.ending.detail
    assert "saved nothing" in silent.ending.detail


def test_an_attempt_that_finished_before_the_signal_stays_done() -> None:
    stop = Stop("ada", jobs=(JOB,))
    action = settled(one_live(), ending=GOOD, worker=replace(gone(0), stop=stop))
    assert action.ending.verdict is Verdict.DONE


def test_an_attempt_behind_a_stopped_one_is_tried_again_by_another_worker() -> None:
    stop = Stop("ada", jobs=("data/nurse",))
    action = settled(one_live(), begun_at=None, worker=replace(gone(143), stop=stop))
    assert action.retry


def test_a_worker_on_another_host_is_given_time_before_its_attempt_is_lost() -> None:
    story = one_live()
    far = worker(phase=Phase.FOREIGN, queue=(JOB,))
    assert decide(story.facts([far], {JOB: story.attempt(JOB, silent_seconds=500)})) == []
    given_up = settled(story, silent_seconds=700, worker=far)
    assert (given_up.ending.verdict, given_up.ending.reason) == (Verdict.LOST, Reason.UNKNOWN)
    assert (given_up.retry, given_up.hold) == ("", "")  # it may still run: no second one beside it


def test_what_waits_behind_a_talkative_attempt_on_another_host_is_not_lost() -> None:
    story = one_live().claim("data/nurse")
    far = worker(phase=Phase.FOREIGN, queue=(JOB, "data/nurse"))
    behind = story.attempt("data/nurse", begun_at=None, silent_seconds=9000)
    assert decide(story.facts([far], {"data/nurse": behind})) == []


def test_a_lost_attempt_that_writes_again_is_running_and_nothing_else_is_wanted() -> None:
    story = one_live().settle(JOB, "lost", reason="unknown", detail="no sign of the host")
    assert story.states.missing == {JOB}
    silent = story.attempt(JOB)
    assert decide(story.facts(missing=(silent,))) == []
    assert decide(story.facts(missing=(replace(silent, has_spoken=True),))) == [
        RecordStart(JOB, 1, 5.0, was_lost=True)
    ]
    story.tell("started", job=JOB, attempt=1, started_at=5.0)
    assert (story.states.missing, story.states.live) == (set(), {JOB})
    status = story.states.statuses[JOB]
    assert (status.state.value, status.reason, status.detail) == ("running", None, "")


def test_a_lost_attempt_that_finished_after_all_is_done() -> None:
    story = one_live().settle(JOB, "lost", reason="unknown")
    back = story.attempt(JOB, ending=GOOD)
    [action] = decide(story.facts(missing=(back,)))
    assert isinstance(action, Settle)
    assert action.ending.verdict is Verdict.DONE


def test_a_start_is_recorded_once() -> None:
    story = one_live()
    at_work = worker(queue=(JOB,))
    news = {JOB: story.attempt(JOB, is_recorded=False)}
    assert decide(story.facts([at_work], news)) == [RecordStart(JOB, 1, 5.0)]
    assert decide(story.facts([at_work])) == []


def test_an_attempt_that_was_claimed_but_not_delivered_is_delivered() -> None:
    story = one_live()
    fact = story.attempt(JOB, is_assigned=False, begun_at=None, is_recorded=False)
    assert Assign(JOB, "w0", claimed=1) in decide(story.facts([worker(queue=(JOB,))], {JOB: fact}))


def test_a_stall_is_named_once_and_ended_only_if_the_settings_say_so() -> None:
    at_work = worker(queue=(JOB,))
    story = one_live(stall_minutes=1)
    silent = {JOB: story.attempt(JOB, silent_seconds=61, log=("step 3 of 9", ""))}
    [called] = decide(story.facts([at_work], silent))
    assert isinstance(called, CallStalled)
    assert "step 3 of 9" in called.text
    named = {JOB: replace(silent[JOB], is_called_stalled=True)}
    assert decide(story.facts([at_work], named)) == []
    strict = one_live(stall_minutes=1, stop_stalled=True)
    stop = StopWorker("w0", (JOB,), "the stall watchdog", is_stall=True)
    assert stop in decide(strict.facts([at_work], named))


def test_a_stall_that_was_ended_is_failed_as_stalled() -> None:
    stop = Stop("the stall watchdog", jobs=(JOB,), is_stall=True)
    action = settled(one_live(), worker=replace(gone(143), stop=stop), log=("step 3 of 9",))
    assert (action.ending.verdict, action.ending.reason) == (Verdict.FAILED, Reason.STALLED)
    assert not action.retry


def test_a_suspended_runner_is_not_called_stalled() -> None:
    story = one_live(stall_minutes=1).tell("paused", mode="hard", by="ada")
    asleep = worker(queue=(JOB,), is_suspended=True)
    assert decide(story.facts([asleep], {JOB: story.attempt(JOB, silent_seconds=999)})) == []


@pytest.mark.parametrize("reason", ["gpu-oom", "nan-loss", "config", "code", "data-mismatch"])
def test_a_deterministic_failure_is_never_tried_again_by_itself(reason: str) -> None:
    failure = Ending(Verdict.FAILED, reason, "as it was")
    assert not settled(one_live(retries=5), ending=failure).retry
