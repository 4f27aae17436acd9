"""Two jobs share a GPU only if their measured peaks fit; devices are made up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.engine.facts_of import Story, worker
from tests.engine.trials import make_plan
from tuilab.engine.decide.actions import Action, Assign, Close, Launch
from tuilab.engine.decide.engine_view import why_queued
from tuilab.engine.decide.facts import Facts, Slot, Worker
from tuilab.engine.decide.phase import Phase
from tuilab.engine.decide.policy import Policy
from tuilab.engine.decide.tick import decide
from tuilab.engine.host.gpus import Device, slots_for

GIB = 2**30

RUNNING = "train/villain@0#42"
BUSY = worker("w0", 0, queue=(RUNNING,), last_job=RUNNING, has_served=True)
PEAKS = {"train": 30 * GIB, "converge": 30 * GIB}


def places(used: float = 30.0, total: float = 80.0) -> tuple[Slot, ...]:
    """Return two places on one device."""
    memory = {"memory_total": int(total * GIB), "memory_used": int(used * GIB)}
    return (Slot(0, "0", **memory), Slot(1, "0", **memory))


def training() -> Story:
    """Return a story in which one training runs and others are ready."""
    story = Story(make_plan(("villain", "nurse"), (0, 2)), assign_ahead=False).want()
    return story.make("data/villain", "data/nurse", "data/clerk").claim(RUNNING)


def facts(
    peaks: dict[str, int], slots: tuple[Slot, ...], workers: tuple[Worker, ...] = (BUSY,)
) -> Facts:
    return training().facts(workers, slots=slots, peaks=peaks)


def launches(actions: list[Action]) -> list[int]:
    return [action.slot for action in actions if isinstance(action, Launch)]


def test_a_second_job_joins_when_both_peaks_fit_with_a_margin() -> None:
    assert launches(decide(facts(PEAKS, places()))) == [1]


@pytest.mark.parametrize(
    ("peaks", "slots"),
    [
        ({"train": 45 * GIB, "converge": 45 * GIB}, places()),
        ({"train": 37 * GIB, "converge": 37 * GIB}, places()),  # fits only without the margin
        (PEAKS, places(used=45.0)),  # somebody else holds 15 GiB
        ({"train": 30 * GIB}, places()),  # converge, the next in line, was never measured
        ({"converge": 30 * GIB}, places()),  # what runs was never measured
        ({}, places()),
    ],
)
def test_a_second_job_waits_when_they_do_not_fit_or_nobody_knows(
    peaks: dict[str, int], slots: tuple[Slot, ...]
) -> None:
    found = [a.job for a in decide(facts(peaks, slots)) if isinstance(a, Launch | Assign)]
    assert all(job.startswith("train") for job in found)
    if peaks != {"train": 30 * GIB}:
        assert found == []


def test_the_reason_is_told() -> None:
    said = why_queued(facts({"train": 45 * GIB, "converge": 45 * GIB}, places()))
    assert "45 GiB of running jobs" in said and "do not fit" in said
    assert "peak is not known" in why_queued(facts({"converge": 30 * GIB}, places()))


def test_what_may_be_vllm_shares_with_nobody() -> None:
    plan = make_plan(("villain", "nurse"), (0,))
    story = Story(plan, assign_ahead=False).want().make("data/villain", "data/nurse", "data/clerk")
    story.make("train/nurse@0#42", "merge/nurse@0#42").claim(RUNNING)
    story.states.fold([{"kind": "held", "seq": 99, "jobs": ["cosine/nurse@0#42"], "why": "x"}])
    peaks = dict.fromkeys(("train", "merge", "eval", "data", "cosine"), GIB)
    assert launches(decide(story.facts((BUSY,), slots=places(1.0), peaks=peaks))) == []
    plain = replace(plan, settings={"plain": {"sampler": "transformers"}})
    story.states.replace_plan(plain)
    story.plan = plain
    assert launches(decide(story.facts((BUSY,), slots=places(1.0), peaks=peaks))) == [1]


def test_what_a_warm_worker_did_last_still_counts() -> None:
    """It gives little memory back: a job may not join an idle worker that holds 60 GiB."""
    idle = worker("w0", 0, last_job="converge/villain#42", idle_seconds=1.0)
    peaks = {"converge": 60 * GIB, "train": 30 * GIB}
    story = training().settle(RUNNING)
    found = decide(story.facts((idle,), slots=places(60.0), peaks=peaks))
    assert [type(action) for action in found] == [Assign]


def test_an_idle_worker_leaves_when_nothing_fits_beside_the_busy_one() -> None:
    idle = worker("w1", 1, last_job="data/nurse")
    slots = places()
    found = decide(facts({"train": 45 * GIB, "converge": 45 * GIB}, slots, (BUSY, idle)))
    assert [a.worker for a in found if isinstance(a, Close)] == ["w1"]


def test_of_two_idle_workers_one_stays_and_takes_the_job() -> None:
    story = training().settle(RUNNING)
    idle = (worker("w0", 0, last_job=RUNNING), worker("w1", 1, last_job="train/nurse@0#42"))
    peaks = {"train": 45 * GIB, "converge": 45 * GIB}
    found = decide(story.facts(idle, slots=places(), peaks=peaks))
    assert [a.worker for a in found if isinstance(a, Close)] == ["w1"]
    alone = (idle[0], replace(idle[1], phase=Phase.GONE))
    assert any(isinstance(a, Assign) for a in decide(story.facts(alone, slots=places())))


def test_a_shared_device_takes_one_new_job_a_round() -> None:
    story = training().settle(RUNNING)
    peaks = {**PEAKS, "merge": GIB, "eval": GIB}
    assert launches(decide(story.facts((), slots=places(0.0), peaks=peaks))) == [0]


def test_peaks_are_those_of_done_attempts_only() -> None:
    story = training()
    story.settle(RUNNING, "failed", peak_device=70 * GIB)
    assert story.states.peaks == {}
    story.claim(RUNNING).settle(RUNNING, peak_device=20 * GIB)
    story.claim("train/nurse@0#42").settle("train/nurse@0#42", peak_device=25 * GIB)
    assert story.states.peaks == {"train": 25 * GIB}


def test_every_device_has_its_first_place_before_its_second() -> None:
    seen = tuple(Device(n, f"GPU-{n}", "H", 80 * GIB, 0) for n in (0, 1))
    alone = slots_for(Policy(workers=8), None, seen)
    assert [slot.device for slot in alone] == ["0", "1"]
    shared = slots_for(Policy(workers=3, jobs_per_device=2), None, seen)
    assert [(slot.index, slot.device) for slot in shared] == [(0, "0"), (1, "1"), (2, "0")]
