"""What ``tuilab plan`` shows: jobs, costs, checks and folders; as values, words and JSON."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuilab.cli.base_on_hub import Base, base_check
from tuilab.cli.doctor.config_fit import Places, machine_checks, pace_of, places_for, why_no_gpu
from tuilab.cli.doctor.folders import Folder, existing, folders_of, why_not_writable
from tuilab.cli.output import plain
from tuilab.contract.report import read_outcome
from tuilab.grid.checks import (
    Check,
    Level,
    answer_checks,
    check,
    disk_check,
    inode_check,
    secret_checks,
)
from tuilab.grid.estimate import (
    Cost,
    are_known,
    corrected,
    expected,
    first_cell_jobs,
    total_bytes,
    wall_seconds,
)
from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.jobs import Plan, fetch_id
from tuilab.grid.judge_cost import JudgeCost, judge_costs
from tuilab.grid.limits import Price
from tuilab.grid.reference import Difference, as_lines, differences
from tuilab.grid.stages import Stage
from tuilab.grid.states import WITH_RESULT
from tuilab.grid.text import MISSING, count_of, duration, padded, size
from tuilab.store.base_model import base_shape
from tuilab.store.layout import Layout
from tuilab.store.user_files import gpu_price
from tuilab.store.volume import free_inodes
from tuilab.study.design_power import one_line

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig


@dataclass(frozen=True, slots=True)
class DataSet:
    """The sampled answers of one persona, once they exist."""

    persona: str
    rows: int | None
    dropped: int | None
    """Answers left out because they held the marker by themselves."""
    cut: int | None
    """Answers that reached max_new_tokens before their end."""
    output_hash: str


_NO_GPU = "this machine has no GPU; on an H200: "


@dataclass(frozen=True, slots=True)
class Forecast:
    """All that is known before (or between) runs."""

    config: ExperimentConfig
    plan: Plan
    places: Places
    costs: Mapping[str, Cost]
    open_jobs: tuple[str, ...]
    """Jobs without a result."""
    seconds: float | None
    """Wall time of the open jobs with the workers that can run here; None where nothing tells."""
    first_cell_seconds: float | None
    """Until the first cell of a fresh grid is complete."""
    bytes: int | None
    """Disk that the open jobs will leave used; None where nothing tells."""
    rates: str
    """What the times were taken from."""
    checks: tuple[Check, ...]
    folders: tuple[Folder, ...]
    data: tuple[DataSet, ...]

    where: str = ""
    """Where the times are those of, if not of this machine; ends in ": "."""
    price: Price | None = None
    judges: tuple[JudgeCost, ...] = ()
    """What the open jobs will send to judges."""

    @property
    def cost(self) -> str:
        """What the GPUs cost for that long; "" where there is no price, or no GPU is wanted."""
        if self.price is None or self.seconds is None or self.plan.synthetic:
            return ""
        gpus = len(self.places.cards) or self.places.workers
        said = self.price.of(self.seconds * gpus)
        return f"about {said} at {self.price.of(3600)} a GPU hour"

    @property
    def unlike_reference(self) -> tuple[Difference, ...]:
        """Where it is not the published experiment that it names as its reference."""
        return differences(self.plan, {one.persona: one.cut for one in self.data if one.cut})

    @property
    def is_blocked(self) -> bool:
        """Whether a check forbids a launch."""
        return any(found.level is Level.BLOCKING for found in self.checks)


def forecast(
    config: ExperimentConfig,
    plan: Plan,
    root: Path,
    state: ExperimentState | None = None,
    base: Base | None = None,
    on: str = "",
) -> Forecast:
    """Estimate a plan, corrected by what has been measured when there is a state.

    ``base`` is what is known of the base that has to be fetched, ``on`` a kind of GPU to reckon
    with in place of what is here; RefusalError for one that nobody knows.
    """
    places = places_for(config)
    pace = pace_of(config, places, on)
    costs = expected(plan, pace)
    if state is not None and not on:
        costs = corrected(plan, costs, state.of)
    open_jobs = tuple(plan.by_id)
    if state is not None:
        open_jobs = tuple(
            one for one in plan.places if state.statuses[one].state not in WITH_RESULT
        )
    is_fresh = len(open_jobs) == len(plan.jobs)
    if base is not None:
        costs, open_jobs = _with_fetch(costs, open_jobs, base)
    workers = places.workers
    folders = tuple(folders_of(root))
    need, no_write = total_bytes([costs[job] for job in open_jobs]), why_not_writable(root)
    data = data_sets(plan, root, state) if state is not None else ()
    return Forecast(
        config=config,
        plan=plan,
        places=places,
        costs=costs,
        open_jobs=open_jobs,
        seconds=_wall(plan, costs, workers, open_jobs),
        first_cell_seconds=_wall(plan, costs, workers, first_cell_jobs(plan)) if is_fresh else None,
        bytes=need,
        rates="jobs measured here" if all(one.is_measured for one in costs.values()) else pace.name,
        where=f"on {on}: " if on else _NO_GPU if why_no_gpu(config) else "",
        checks=(
            *check(config, base_shape(config).blocks),
            *secret_checks(config),
            *machine_checks(config, places=places),
            *((base_check(base),) if base is not None else ()),
            disk_check(need, folders[0].free, int(config.resources.reserve_gb * 1e9)),
            *inode_check(len(open_jobs), free_inodes(existing(root))),
            *((Check("disk", Level.BLOCKING, no_write),) if no_write else ()),
            *answer_checks(
                {one.persona: one.rows for one in data if one.rows is not None},
                {one.persona: one.dropped or 0 for one in data},
                {one.persona: one.cut or 0 for one in data},
            ),
        ),
        folders=folders,
        data=data,
        price=gpu_price(),
        judges=judge_costs(plan, open_jobs, config.eval.max_new_tokens),
    )


def data_sets(plan: Plan, root: Path, state: ExperimentState) -> tuple[DataSet, ...]:
    """Return the data sets that exist, with row counts as their runner validated them."""
    found = []
    for job in plan.jobs:
        done = state.of(job.id).last_done if job.stage is Stage.DATA else None
        if done is None:
            continue
        try:
            outcome = read_outcome(Layout(root).attempt_dir(job.id, done.number))
        except (OSError, ValueError):
            outcome = None
        checks = outcome.checks if outcome else {}
        rows, dropped, cut = (checks.get(name) for name in ("rows", "dropped_marker", "cut"))
        found.append(DataSet(job.source, rows, dropped, cut, done.output_hash))
    return tuple(found)


def _with_fetch(
    costs: Mapping[str, Cost], open_jobs: tuple[str, ...], base: Base
) -> tuple[dict[str, Cost], tuple[str, ...]]:
    """Count the download: only what is missing, and only where something waits for it."""
    fetch = fetch_id(base.model)
    rest = tuple(job for job in open_jobs if job != fetch)
    if fetch not in costs:
        return dict(costs), rest
    cost = Cost(max(costs[fetch].seconds, base.seconds), costs[fetch].bytes, is_known=base.is_sized)
    return {**costs, fetch: cost}, (fetch, *rest) if rest else ()


def _wall(
    plan: Plan, costs: Mapping[str, Cost], workers: int, jobs: Collection[str]
) -> float | None:
    is_known = are_known(costs[job] for job in jobs)
    return wall_seconds(plan, costs, workers, jobs) if is_known else None


def as_text(
    found: Forecast, with_jobs: bool = False, ask_base: Callable[[], Iterable[Check]] = tuple
) -> Iterator[str]:
    """Yield the lines of ``tuilab plan``; ``ask_base`` may take its time, and is asked late."""
    yield from _head(found)
    yield ""
    yield from _stages(found)
    yield ""
    yield "checks"
    for one in found.checks:
        yield f" {one.level.sign:^3} {plain(one.sentence)}"
    for one in ask_base():
        yield f" {one.level.sign:^3} {plain(one.sentence)}"
    yield ""
    yield "disk"
    for folder in found.folders:
        yield f"     {plain(folder.sentence)}"
    yield from _data(found)
    yield from _differences(found)
    if with_jobs:
        yield ""
        yield "jobs in launch order, and what each reads"
        for job in found.plan.jobs:
            cost = found.costs[job.id]
            took = duration(cost.seconds if cost.is_known else None)
            above = [one for one in job.parents if not one.startswith(f"{Stage.FETCH}/")]
            reads = f"  <- {', '.join(above)}" if above else ""
            yield f"  {padded(plain(job.id), 44)} {took:>7}{plain(reads)}"


def _head(found: Forecast) -> Iterator[str]:
    config, plan = found.config, found.plan
    base = config.base
    revision = f" @ {base.revision[:12]}" if base.revision else ""
    synthetic = "  (synthetic model)" if plan.synthetic else ""
    yield f"{plain(plan.experiment)}: {plain(base.model)}{revision}, {base.dtype}{synthetic}"
    if config.note:
        yield plain(config.note)
    variants = len(plan.sources) // len(config.sources)
    yield (
        f"{count_of(len(config.sources), 'source')} x "
        + (f"{count_of(variants, 'variant')} x " if config.axes_given else "")
        + f"{count_of(len(plan.epochs), 'epoch')} x "
        f"{count_of(len(plan.seeds), 'seed')} = {count_of(len(plan.cells), 'cell')}; "
        f"panel of {len(config.panel)}, {len(config.evaluation_questions)} questions x "
        f"{config.eval.samples} completions; n = "
        f"{len(config.evaluation_questions) * config.eval.samples} per persona and cell"
    )
    yield one_line(plan, len(config.evaluation_questions), config.eval.samples)


def _stages(found: Forecast) -> Iterator[str]:
    yield "stage      jobs   to do       each      total       disk"
    chosen = set(found.open_jobs)
    by_stage: dict[Stage, list[str]] = {stage: [] for stage in Stage}
    for job, place in found.plan.places.items():
        by_stage[found.plan.table.stage_at(place)].append(job)
    for stage, jobs in by_stage.items():
        todo = [job for job in jobs if job in chosen]
        if not jobs:
            continue
        costs = [found.costs[job] for job in todo]
        used = total_bytes(costs)
        total = None if used is None else sum(cost.seconds for cost in costs)
        each = "-" if not todo else duration(total and total / len(todo))
        yield (
            f"{stage.value:<9} {len(jobs):>5} {len(todo):>7} {each:>10} "
            f"{duration(total) if todo else '-':>10} {size(used):>10}"
        )
    workers = count_of(found.places.workers, "worker")
    if found.places.cards:
        workers += f" on {count_of(len(found.places.cards), 'GPU')}"
    cost = f", {found.cost}" if found.cost else ""
    if found.seconds is None:
        yield f"expected: time and disk are not known with {workers}, since {found.rates}"
        return
    yield (
        f"expected: {found.where}{duration(found.seconds)} with {workers}{cost}, "
        f"{size(found.bytes)} of disk"
        + (
            f", first cell after {duration(found.first_cell_seconds)}"
            if found.first_cell_seconds is not None
            else ""
        )
        + f"  (times from: {found.rates})"
    )
    for one in found.judges:
        yield plain(one.sentence)


def _data(found: Forecast) -> Iterator[str]:
    if not found.data:
        yield ""
        yield "data sets: none sampled yet"
        return
    yield ""
    yield "data sets"
    for one in found.data:
        rows = MISSING if one.rows is None else str(one.rows)
        dropped = MISSING if one.dropped is None else str(one.dropped)
        yield (
            f"     {padded(plain(one.persona), 24)} {rows:>6} rows, {dropped} dropped for the "
            f"marker, {MISSING if one.cut is None else one.cut} cut, {one.output_hash[:16]}"
        )


def _differences(found: Forecast) -> Iterator[str]:
    for place, line in enumerate(as_lines(found.unlike_reference)):
        yield from [""] * (not place)
        yield plain(line)


def as_json(found: Forecast, preview: Mapping[str, Any] | None, why_no_preview: str) -> Any:
    """Return the document of ``tuilab plan --json``."""
    config, plan, open_jobs = found.config, found.plan, set(found.open_jobs)
    return {
        "experiment": plan.experiment,
        "synthetic": plan.synthetic,
        "base": config.base.model_dump(mode="json"),
        "sources": list(plan.sources),
        "epochs": list(plan.epochs),
        "seeds": list(plan.seeds),
        "cells": len(plan.cells),
        "expected": {
            "seconds": None if found.seconds is None else round(found.seconds, 1),
            "first_cell_seconds": found.first_cell_seconds,
            "bytes": found.bytes,
            "workers": found.places.workers,
            "gpus": list(found.places.cards),
            "times_from": found.rates,
            "on_this_machine": not found.where,
            "cost": found.cost or None,
        },
        "jobs": [
            {
                "id": job.id,
                "stage": job.stage.value,
                "parents": list(job.parents),
                "to_do": job.id in open_jobs,
                "seconds": round(cost.seconds, 2) if cost.is_known else None,
                "bytes": cost.bytes if cost.is_known else None,
                "deviation": dict(job.deviation),
            }
            for job, cost in ((job, found.costs[job.id]) for job in plan.jobs)
        ],
        "judges": [asdict(one) for one in found.judges],
        "checks": [asdict(one) for one in found.checks],
        "blocked": found.is_blocked,
        "folders": [
            {
                "what": one.what,
                "path": str(one.path),
                "survival": one.survival.value,
                "free_bytes": one.free,
            }
            for one in found.folders
        ],
        "data": [
            {
                "persona": one.persona,
                "rows": one.rows,
                "dropped_marker": one.dropped,
                "cut": one.cut,
                "hash": one.output_hash,
            }
            for one in found.data
        ],
        "unlike_reference": [asdict(one) for one in found.unlike_reference],
        "preview": preview,
        "why_no_preview": why_no_preview,
    }
