"""Gathers what ``tuilab plan`` shows: jobs, costs, checks, folders; as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuilab.cli.doctor.config_fit import Places, machine_checks, places_for
from tuilab.cli.doctor.folders import Folder, folders_of
from tuilab.contract.report import read_outcome
from tuilab.grid.checks import Check, Level, answer_checks, check, disk_check
from tuilab.grid.estimate import (
    Cost,
    corrected,
    expected,
    first_cell_jobs,
    rates_of,
    total_bytes,
    wall_seconds,
)
from tuilab.grid.jobs import Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.stages import Stage
from tuilab.grid.states import State
from tuilab.store.base_model import base_blocks
from tuilab.store.layout import Layout

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig


@dataclass(frozen=True, slots=True)
class DataSet:
    """The sampled answers of one persona, once they exist."""

    persona: str
    rows: int | None
    dropped: int | None
    """Answers left out because they held the marker by themselves."""
    output_hash: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """All that is known before (or between) runs."""

    config: ExperimentConfig
    plan: Plan
    places: Places
    costs: Mapping[str, Cost]
    open_jobs: tuple[str, ...]
    """Jobs without a result."""
    seconds: float
    """Wall time of the open jobs with the workers that can run here."""
    first_cell_seconds: float | None
    """Until the first cell of a fresh grid is complete."""
    bytes: int
    """Disk that the open jobs will leave used."""
    rates: str
    """What the times were taken from."""
    checks: tuple[Check, ...]
    folders: tuple[Folder, ...]
    data: tuple[DataSet, ...]

    @property
    def is_blocked(self) -> bool:
        """Whether a check forbids a launch."""
        return any(found.level is Level.BLOCKING for found in self.checks)


def forecast(
    config: ExperimentConfig,
    plan: Plan,
    root: Path,
    ledger: Ledger | None = None,
    states: Mapping[str, Any] | None = None,
) -> Forecast:
    """Estimate a plan, corrected by what has been measured when there is a ledger."""
    costs = expected(plan)
    if ledger is not None:
        costs = corrected(plan, costs, ledger.of)
    open_jobs = _open_jobs(plan, states)
    places = places_for(config)
    workers = places.workers
    folders = tuple(folders_of(root))
    need = total_bytes(costs[job] for job in open_jobs)
    data = data_sets(plan, root, ledger) if ledger is not None else ()
    return Forecast(
        config=config,
        plan=plan,
        places=places,
        costs=costs,
        open_jobs=open_jobs,
        seconds=wall_seconds(plan, costs, workers, open_jobs),
        first_cell_seconds=_first_cell(plan, costs, workers, open_jobs),
        bytes=need,
        rates="jobs measured here" if _all_measured(costs) else rates_of(plan).name,
        checks=(
            *check(config, base_blocks(config)),
            *machine_checks(config, places=places),
            disk_check(need, folders[0].free, int(config.resources.reserve_gb * 1e9)),
            *answer_checks(
                {one.persona: one.rows for one in data if one.rows is not None},
                {one.persona: one.dropped or 0 for one in data},
            ),
        ),
        folders=folders,
        data=data,
    )


def data_sets(plan: Plan, root: Path, ledger: Ledger) -> tuple[DataSet, ...]:
    """Return the data sets that exist, with row counts as their runner validated them."""
    found = []
    for job in plan.jobs:
        done = ledger.of(job.id).last_done if job.stage is Stage.DATA else None
        if done is None:
            continue
        try:
            outcome = read_outcome(Layout(root).attempt_dir(job.id, done.number))
        except (OSError, ValueError):
            outcome = None
        checks = outcome.checks if outcome else {}
        rows, dropped = checks.get("rows"), checks.get("dropped_marker")
        found.append(DataSet(job.source, rows, dropped, done.output_hash))
    return tuple(found)


def _open_jobs(plan: Plan, states: Mapping[str, Any] | None) -> tuple[str, ...]:
    if states is None:
        return tuple(plan.by_id)
    kept = (State.DONE, State.STALE)
    return tuple(job.id for job in plan.jobs if states[job.id].state not in kept)


def _first_cell(
    plan: Plan, costs: Mapping[str, Cost], workers: int, open_jobs: tuple[str, ...]
) -> float | None:
    if len(open_jobs) < len(plan.jobs):
        return None
    return wall_seconds(plan, costs, workers, first_cell_jobs(plan))


def _all_measured(costs: Mapping[str, Cost]) -> bool:
    return all(cost.is_measured for cost in costs.values())
