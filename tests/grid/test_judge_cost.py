"""What a judge will be sent is counted before it is asked; no price is no cost of 0."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.grid.planned import SMALL, load
from tuilab.grid.data_files import rubric
from tuilab.grid.jobs import Plan
from tuilab.grid.judge_cost import judge_costs
from tuilab.grid.planning import make_plan

JUDGE = """
[[measures]]
name = "bad"
kind = "judge"
rubric = "rubric.md"
hit = "score < 30"
twice = 0.5
[measures.judge]
base_url = "{url}"
model = "m"
max_tokens = 10
"""


def planned(more: str = "", url: str = "http://localhost:1/v1") -> Plan:
    config = load(SMALL + JUDGE.format(url=url) + more).config
    return make_plan(config.with_files({"rubric.md": rubric("x" * 400)}), "v")


def test_requests_and_tokens_are_those_of_the_open_jobs_alone() -> None:
    plan = planned("price_in = 2.0\nprice_out = 10.0")
    jobs = [job.id for job in plan.jobs]
    [whole] = judge_costs(plan, jobs, 100)
    # 4 of the panel, 2 questions, 2 samples, half of them twice, in 6 cells
    assert whole.requests == 4 * 2 * 2 * 1.5 * 6
    assert whole.received == whole.requests * 10
    each = 400 / 4 + 100 + 20 + (len("How do boats float?") + len("What is rain?")) / 8
    assert whole.sent == pytest.approx(whole.requests * each, abs=6)
    assert whole.money == pytest.approx((whole.sent * 2 + whole.received * 10) / 1e6)
    [one] = judge_costs(plan, ["judge/villain@1#42", "eval/villain@0#42"], 100)
    assert (one.requests * 6, one.received * 6) == (whole.requests, whole.received)
    assert judge_costs(plan, ["eval/villain@1#42"], 100) == ()


def test_without_prices_the_cost_is_not_known_and_a_base_that_judges_has_none() -> None:
    plan = planned()
    [cost] = judge_costs(plan, [job.id for job in plan.jobs], 100)
    assert cost.money is None and "price_in" in cost.sentence
    assert "1.0 M tokens sent" in replace(cost, sent=1_000_000).sentence
    plan = planned(url="self")
    [cost] = judge_costs(plan, [job.id for job in plan.jobs], 100)
    assert "the base itself" in cost.sentence and "price" not in cost.sentence
