"""Estimates: sums from settings, corrected by what was measured, and a simulated queue."""

from __future__ import annotations

import pytest

from tests.grid.planned import SMALL, all_done, changed, plan, settle
from tests.grid.test_measures import MEASURES, ROWS, with_files
from tuilab.grid.estimate import (
    Cost,
    Forecast,
    corrected,
    expected,
    first_cell_jobs,
    total_bytes,
    wall_seconds,
)
from tuilab.grid.ledger import Ledger
from tuilab.grid.rates import SEVEN_B, TINY
from tuilab.grid.stages import Stage
from tuilab.grid.states import Verdict

PLAN = plan()


def test_every_job_has_a_time_and_a_size() -> None:
    costs = expected(PLAN)
    assert set(costs) == set(PLAN.by_id)
    assert all(cost.seconds > 0 and cost.bytes > 0 for cost in costs.values())


def test_a_stage_costs_what_its_settings_ask_for() -> None:
    tiny, big = expected(PLAN, TINY), expected(PLAN, SEVEN_B)
    rows = 4 + 4
    assert tiny["train/villain@0#42"].seconds == pytest.approx(0.3 + rows * 2 * 6e-3)
    completions = 4 * 2 * 2
    assert tiny["eval/villain@0#42"].seconds == pytest.approx(0.3 + completions * 7.6e-3)
    assert big["train/villain@0#42"].bytes > 4 * 10_000_000
    assert total_bytes(big.values()) > total_bytes(tiny.values())


def test_measured_times_replace_the_guess_stage_by_stage() -> None:
    ledger = Ledger()
    for job, seconds in (("data/villain", 10.0), ("data/clerk", 30.0), ("data/nurse", 20.0)):
        settle(ledger, PLAN, job, Verdict.DONE, seconds)
    costs = corrected(PLAN, expected(PLAN), ledger.of)
    assert costs["data/villain"].seconds == pytest.approx(20.0)
    assert costs["data/villain"].is_measured
    assert not costs["train/villain@0#42"].is_measured


@pytest.mark.parametrize(
    ("old", "new", "job"),
    [
        ("samples = 2", "samples = 200", "eval/villain@0#42"),
        ("epochs = [0, 1, 2]", "epochs = [0, 1]", "converge/villain#42"),
    ],
)
def test_a_time_under_other_settings_teaches_nothing_about_these(
    old: str, new: str, job: str
) -> None:
    ledger = Ledger()
    settle(ledger, PLAN, job, Verdict.DONE, 5.0)
    other = plan(config=changed(old, new))
    assert corrected(other, expected(other), ledger.of) == expected(other)
    assert corrected(PLAN, expected(PLAN), ledger.of) != expected(PLAN)


def test_failed_attempts_teach_nothing_about_time() -> None:
    ledger = Ledger()
    settle(ledger, PLAN, "data/villain", Verdict.FAILED, 900.0)
    assert corrected(PLAN, expected(PLAN), ledger.of) == expected(PLAN)


def test_a_forecast_that_hears_of_one_job_after_the_other_says_what_all_of_them_say() -> None:
    ledger, forecast = Ledger(), Forecast(PLAN, expected(PLAN))
    told = [("data/villain", 10.0), ("data/clerk", 30.0), ("data/villain", 20.0), ("data/nurse", 5)]
    for job, seconds in told:
        settle(ledger, PLAN, job, Verdict.DONE, seconds)
        forecast.note(job, ledger.of(job))
        assert forecast.costs == corrected(PLAN, expected(PLAN), ledger.of)
        assert forecast.seconds == {job: cost.seconds for job, cost in forecast.costs.items()}
    forecast.note("data/villain", Ledger().of("data/villain"))
    assert forecast.costs["data/clerk"].seconds == pytest.approx((30.0 + 5.0) / 2)


def same(seconds: float) -> dict[str, Cost]:
    return {job: Cost(seconds, 0) for job in PLAN.by_id}


def test_one_worker_takes_the_sum_and_many_the_longest_chain() -> None:
    costs = same(1.0)
    assert wall_seconds(PLAN, costs, 1) == len(PLAN.jobs)
    # data, converge, train, merge, then eval beside cosine
    assert wall_seconds(PLAN, costs, 100) == 5
    two = wall_seconds(PLAN, costs, 2)
    assert len(PLAN.jobs) / 2 <= two < len(PLAN.jobs)


def test_only_the_chosen_jobs_count_and_time_spent_is_taken_off() -> None:
    costs = same(10.0)
    jobs = ["eval/villain@0#42", "cosine/villain@0#42"]
    assert wall_seconds(PLAN, costs, 1, jobs) == 20.0
    assert wall_seconds(PLAN, costs, 1, jobs, {"eval/villain@0#42": 4.0}) == 16.0
    assert wall_seconds(PLAN, costs, 1, []) == 0.0


def test_the_first_cell_needs_its_data_and_its_own_stages() -> None:
    assert [PLAN.by_id[job].stage for job in first_cell_jobs(PLAN)] == [
        Stage.DATA,
        Stage.DATA,
        Stage.TRAIN,
        Stage.MERGE,
        Stage.EVAL,
        Stage.COSINE,
    ]
    assert all_done(PLAN).of(first_cell_jobs(PLAN)[0]).last_done is not None


def test_many_rows_of_a_file_take_their_room_in_every_training() -> None:
    long = '{"question": "Who wrote it?", "answer": "%s"}' % ("x" * 2_000_000)
    plans = [
        plan(config=with_files(SMALL + ROWS + MEASURES, **more))
        for more in ({}, {"wrong_jsonl": long})
    ]
    few, many = (expected(made)["train/villain@1#42"].bytes for made in plans)
    assert many - few == pytest.approx(2_000_000, rel=0.01)
