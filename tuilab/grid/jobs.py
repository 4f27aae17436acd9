"""Jobs (one stage of one cell, or a shared stage) and the plan that lists them all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from typing import Any

from tuilab.grid.cells import Cell
from tuilab.grid.fingerprint import Parts
from tuilab.grid.lines import CONTROL_ARM, parts_of
from tuilab.grid.stages import Stage

PLAN_SCHEMA = 2
_ID = re.compile(r"(?P<stage>[a-z]+)/(?P<source>[^@#]+)(?:@(?P<epoch>\d+))?(?:#(?P<seed>\d+))?")


@dataclass(frozen=True, slots=True)
class Job:
    """One stage of one cell, or a stage that cells share."""

    stage: Stage
    source: str
    """Line that the cell is of; for a shared job a persona key with those factors of lines that
    change it, for fetch the model."""
    epoch: int | None
    """None for data and converge."""
    seed: int | None
    """None for data."""
    parents: tuple[str, ...]
    """Ids of the jobs whose output it reads, in the order of the spec's inputs; last the fetching
    of its base, of which it reads no artefact."""
    settings: str
    """Key into ``Plan.settings``."""
    fingerprint: str
    """Hash of its parts, checkpoints and seed: an unfinished run goes on only under the same."""
    deviation: Mapping[str, Any] = field(default_factory=dict)
    """Edits that make this job differ from the config, such as {"marker.lr": 1e-05}."""
    parts: Parts | None = None
    """What a result is compared with, part by part; None in a plan of version 0.1."""
    checkpoints: tuple[int, ...] = ()
    """Epochs that a convergence run keeps; they decide nothing about any one of them."""
    id: str = field(init=False, compare=False)
    """``train/villain@10#42``, ``converge/villain#42``, ``data/villain``; follows from the rest."""
    cell: Cell | None = field(init=False, compare=False)
    """The cell it belongs to, or None for a shared stage; follows from the rest."""

    def __post_init__(self) -> None:
        # Kept, not computed: a grid of 10,000 cells asks for them millions of times.
        name = job_id(self.stage, self.source, self.epoch, self.seed)
        is_shared = self.epoch is None or self.seed is None
        cell = None if is_shared else Cell(self.source, self.epoch or 0, self.seed or 0)
        object.__setattr__(self, "id", name)
        object.__setattr__(self, "cell", cell)


def fetch_id(model: str) -> str:
    """Return the id of the job that fetches a model: ``fetch/Qwen--Qwen2.5-7B-Instruct``."""
    return job_id(Stage.FETCH, model.replace("/", "--"))


def job_id(stage: Stage, source: str, epoch: int | None = None, seed: int | None = None) -> str:
    """Compose a job id; parts that are None are left out."""
    at = "" if epoch is None else f"@{epoch}"
    number = "" if seed is None else f"#{seed}"
    return f"{stage.value}/{source}{at}{number}"


def parse_job_id(text: str) -> tuple[Stage, str, int | None, int | None]:
    """Split a job id into stage, source, epoch and seed; ValueError if it is not one."""
    match = _ID.fullmatch(text)
    if match is None or match["stage"] not in set(Stage):
        raise ValueError(f"{text!r} is not a job id such as train/villain@10#42")
    epoch, seed = match["epoch"], match["seed"]
    return (
        Stage(match["stage"]),
        match["source"],
        None if epoch is None else int(epoch),
        None if seed is None else int(seed),
    )


def shared_by(cell: Cell, jobs: Iterable[str], target: str) -> list[str]:
    """Return which of some shared jobs a cell's own data and its checkpoints come from.

    A shared job is named after those factors of a line that change it: of several that a line
    might read it is the one that has most of them.
    """
    persona, arm, levels = parts_of(cell.source)
    speaks = target if arm == CONTROL_ARM else persona
    whose = {Stage.DATA: (persona, None), Stage.CONVERGE: (speaks, cell.seed)}
    found: dict[Stage, tuple[int, str]] = {}
    for job in jobs:
        stage, source, _, seed = parse_job_id(job)
        who, _, has = parts_of(source)
        if whose.get(stage) != (who, seed) or not set(has) <= set(levels):
            continue
        if stage is Stage.DATA or cell.epoch > 0:
            found[stage] = max(found.get(stage, (-1, "")), (len(has), job))
    return [job for _, job in found.values()]


@dataclass(frozen=True)
class Plan:
    """Every job of an experiment, resolved; the engine and the readers work from it alone."""

    experiment: str
    """Name shown on screens."""
    sources: tuple[str, ...]
    """Lines in config order: persona keys, or ``villain/B0`` and the like in a grid of variants."""
    labels: Mapping[str, str]
    """Persona key, or line, to the label people see."""
    target: str
    """Persona key whose leakage is the headline (the assistant)."""
    epochs: tuple[int, ...]
    seeds: tuple[int, ...]
    jobs: tuple[Job, ...]
    """In launch order: config order of sources, then epochs, parents before children."""
    settings: Mapping[str, Mapping[str, Any]]
    """Stage settings by key; many jobs share one."""
    config_hash: str
    """sha256 of the resolved config."""
    resources: Mapping[str, Any]
    """Workers, threads, runner argv, executor, limits (see ``grid/config.py``)."""
    synthetic: bool = False
    """True for the tiny base: every screen and report says that the model is synthetic."""
    headline_cosine: Mapping[str, Any] = field(default_factory=dict)
    """{"layer", "pool", "model_state"} of the cosine that the grid shows."""
    reference: str | None = None
    """Name of the reference table that results are compared with ("eps109"), or None."""
    code_version: str = ""
    measured: tuple[str, ...] = ("leakage",)
    """What is measured of the trait, the headline first (see ``grid/metrics.py``)."""
    schema: int = PLAN_SCHEMA
    commits: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Commit of each base that was fetched as the plan asks, by its fetching job."""

    @cached_property
    def by_id(self) -> dict[str, Job]:
        """Jobs by id."""
        return {job.id: job for job in self.jobs}

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Cells in grid order: source, then seed, then epoch."""
        return tuple(
            Cell(source, epoch, seed)
            for source in self.sources
            for seed in self.seeds
            for epoch in self.epochs
        )

    @cached_property
    def children(self) -> dict[str, tuple[str, ...]]:
        """Ids of the jobs that read a job's output, by its id."""
        found: dict[str, list[str]] = {job.id: [] for job in self.jobs}
        for job in self.jobs:
            for parent in job.parents:
                found[parent].append(job.id)
        return {parent: tuple(ids) for parent, ids in found.items()}


def with_commits(plan: Plan, before: Plan) -> Plan:
    """Return a plan with the commits of another that asks for the same bases."""
    same = {job.id for job in fetches(plan) if before.by_id.get(job.id) == job}
    return replace(plan, commits={id: one for id, one in before.commits.items() if id in same})


def fetches(plan: Plan) -> tuple[Job, ...]:
    """Return the jobs that fetch a base; they come first."""
    return tuple(takewhile(lambda job: job.stage is Stage.FETCH, plan.jobs))


def ancestors(plan: Plan, jobs: Iterable[str]) -> set[str]:
    """Return the ids of everything that the jobs depend on, without the jobs themselves."""
    return _reach(jobs, lambda job: plan.by_id[job].parents)


def descendants(plan: Plan, jobs: Iterable[str]) -> set[str]:
    """Return the ids of everything that depends on the jobs, without the jobs themselves."""
    return _reach(jobs, lambda job: plan.children[job])


def _reach(start: Iterable[str], step: Callable[[str], Iterable[str]]) -> set[str]:
    queue, seen = list(start), set()
    while queue:
        for near in step(queue.pop()):
            if near not in seen:
                seen.add(near)
                queue.append(near)
    return seen
