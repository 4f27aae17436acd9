"""Forecasts the disk and the time that jobs will take; pure."""

from __future__ import annotations

from collections.abc import Mapping

from tuilab.engine.policy import Policy
from tuilab.grid.estimate import Cost, corrected, expected, wall_seconds
from tuilab.grid.jobs import Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.stages import Stage
from tuilab.grid.states import LIVE


def costs_of(plan: Plan) -> dict[str, Cost]:
    """Return what every job is expected to take; {} for a plan whose settings tell nothing."""
    try:
        return expected(plan)
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def disk_needs(
    plan: Plan, costs: Mapping[str, Cost], policy: Policy, measured: Mapping[Stage, int]
) -> dict[str, int]:
    """Return the bytes that one attempt of each job needs.

    The plan's own word for the stage comes first, then the largest of estimate and measurement.
    """
    said = policy.job_bytes or {}
    found = {}
    for job in plan.jobs:
        known = costs[job.id].bytes if job.id in costs else 0
        found[job.id] = int(said.get(job.stage.value, max(known, measured.get(job.stage, 0))))
    return found


def seconds_left(
    plan: Plan, ledger: Ledger, costs: Mapping[str, Cost], workers: int, now: float
) -> float | None:
    """Return the wall seconds until all that is due or running is done; None when unknown."""
    if not costs:
        return None
    jobs, spent = set(), {}
    for job in plan.jobs:
        evidence = ledger.of(job.id)
        last = evidence.last
        if last is not None and last.verdict in LIVE:
            jobs.add(job.id)
            spent[job.id] = now - last.started_at if last.started_at else 0.0
        elif evidence.is_due and not evidence.held:
            jobs.add(job.id)
    if not jobs:
        return 0.0
    return wall_seconds(plan, corrected(plan, costs, ledger.of), workers, jobs, spent)
