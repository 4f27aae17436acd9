"""Forecasts the disk that jobs will take; pure."""

from __future__ import annotations

from collections.abc import Mapping

from tuilab.engine.decide.policy import Policy
from tuilab.grid.estimate import Cost, expected
from tuilab.grid.jobs import Plan
from tuilab.grid.stages import Stage


def costs_of(plan: Plan) -> Mapping[str, Cost]:
    """Return what every job is expected to take; {} where settings or size of base tell nothing."""
    if plan.rates is not None and not plan.rates.is_known:
        return {}
    try:
        return expected(plan)
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def disk_needs(
    plan: Plan, costs: Mapping[str, Cost], policy: Policy, measured: Mapping[Stage, int]
) -> Mapping[str, int]:
    """Return the bytes that one attempt of each job needs.

    The plan's own word for the stage comes first, then the largest of estimate and measurement.
    """
    said, table, largest = policy.job_bytes or {}, plan.table, dict(measured)

    def need(place: int) -> int:
        stage = table.stage_at(place)
        known = costs[table.ids[place]].bytes if costs else 0
        return int(said.get(stage.value, max(known, largest.get(stage, 0))))

    return plan.each(need)
