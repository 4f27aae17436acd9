"""Jobs (one stage of one cell, or a shared stage) and the plan that lists them all."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from typing import Any, NamedTuple, TypeVar

from tuilab.grid.cells import Cell
from tuilab.grid.fingerprint import Parts, all_code, canonical, fingerprint_of
from tuilab.grid.job_ids import JobIds, Places
from tuilab.grid.lazy import Lazy
from tuilab.grid.lines import CONTROLS, MARKED_ARMS, parts_of
from tuilab.grid.rates import Rates
from tuilab.grid.stages import Stage

PLAN_SCHEMA = 3
PARTS_SCHEMA = 2
"""Plans from this schema on say of every job what decides its result."""
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
    run = (target, "") if arm == CONTROLS[""] else (persona, arm)
    whose = {
        Stage.DATA: (persona, "", None),
        Stage.CONVERGE: (*run, cell.seed),
        Stage.TRAIN: (persona, "", cell.seed),
    }
    found: dict[Stage, tuple[int, str]] = {}
    for job in jobs:
        stage, source, _, seed = parse_job_id(job)
        who, made, has = parts_of(source)
        if whose.get(stage) != (who, made, seed) or not set(has) <= set(levels):
            continue
        if stage is Stage.CONVERGE and cell.epoch == 0:
            continue
        if stage is not Stage.TRAIN or arm in MARKED_ARMS:
            found[stage] = max(found.get(stage, (-1, "")), (len(has), job))
    return [job for _, job in found.values()]


_NO_EDITS: Mapping[str, Any] = {}
T = TypeVar("T")


class Kind(NamedTuple):
    """What the jobs of one stage and source have in common."""

    stage: Stage
    source: str
    parents: tuple[str, ...]
    """Ids of what they read; one that ends in ``#`` goes on with the job's own seed, one that ends
    in ``@#`` with its epoch and seed."""
    checkpoints: tuple[int, ...] = ()
    deviation: str = ""
    """The edits, as JSON."""


class EvenTexts(Lazy[str]):
    """Texts of one length in one: each by itself takes 50 bytes more."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._wide, self._all = len(texts[0]) if texts else 1, "".join(texts)

    def at(self, place: int) -> str:
        """Cut one text out."""
        first = range(0, len(self._all), self._wide)[place]
        return self._all[first : first + self._wide]

    def __len__(self) -> int:
        return len(self._all) // self._wide


def even(texts: list[str]) -> Sequence[str]:
    """Return texts in little room where all are of one length."""
    return EvenTexts(texts) if texts and set(map(len, texts)) == {len(texts[0])} != {0} else texts


class Recipes(Lazy[tuple[str, Parts | None]]):
    """Keys of settings, each with the parts, as columns."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.settings: Sequence[str | None] = []
        """That part of each; None where there are no parts."""
        self.beside: list[tuple[str, str]] = []
        """Code and base, which many have in common."""
        self.of_beside = array("I")

    def append(self, recipe: tuple[str, Parts | None]) -> None:
        """Add one."""
        key, parts = recipe
        beside = (parts.code, parts.base) if parts else ("", "")
        if beside not in self.beside:
            self.beside.append(beside)
        assert isinstance(self.settings, list), "a plan that was loaded does not grow"
        self.keys.append(key)
        self.settings.append(None if parts is None else parts.settings)
        self.of_beside.append(self.beside.index(beside))

    def at(self, place: int) -> tuple[str, Parts | None]:
        """Make one of the columns."""
        settings = self.settings[place]
        parts = None if settings is None else Parts(settings, *self.beside[self.of_beside[place]])
        return self.keys[place], parts

    def __len__(self) -> int:
        return len(self.keys)


class JobTable(Lazy[Job]):
    """The jobs of a plan in launch order, as columns: a Job is made where somebody looks at it.

    A grid of 100,000 cells has 400,000 jobs, which as objects would take half a gigabyte.
    """

    def __init__(self, jobs: Iterable[Job] = ()) -> None:
        self.kinds: list[Kind] = []
        self.epochs: list[int | None] = []
        self.seeds: list[int | None] = []
        self.recipes = Recipes()
        self.of_kind, self.of_epoch = array("I"), array("I")
        self.of_seed, self.of_recipe = array("I"), array("I")
        """By place, an index into the list of that name."""
        self.prints: Sequence[str] = []
        """Fingerprints, by place."""
        self._known: dict[Any, int] = {}
        for job in jobs:
            self._add(job)

    def add(
        self, kind: int, epoch: int | None, seed: int | None, recipe: int, fingerprint: str
    ) -> None:
        """Append a job; ``kind`` and ``recipe`` are what ``keep_kind`` and ``keep_recipe`` gave."""
        self.of_kind.append(kind)
        self.of_epoch.append(self._keep(self.epochs, ("epoch", epoch), epoch))
        self.of_seed.append(self._keep(self.seeds, ("seed", seed), seed))
        self.of_recipe.append(recipe)
        assert isinstance(self.prints, list), "a plan that was loaded does not grow"
        self.prints.append(fingerprint)

    def keep_kind(self, kind: Kind) -> int:
        """Return the index of a kind, which is kept once."""
        return self._keep(self.kinds, kind, kind)

    def keep_recipe(self, settings: str, parts: Parts | None) -> int:
        """Return the index of a key of settings with its parts, kept once."""
        return self._keep(self.recipes, ("recipe", settings, parts), (settings, parts))

    def _keep(self, kept: list[Any] | Recipes, name: Any, value: Any) -> int:
        if (at := self._known.get(name)) is None:
            at = self._known[name] = len(kept)
            kept.append(value)
        return at

    def _add(self, job: Job) -> None:
        ends = ((f"@{job.epoch}#{job.seed}", "@#"), (f"#{job.seed}", "#"))
        parents = []
        for parent in job.parents:
            found = next((end for end in ends if parent.endswith(end[0])), ("", ""))
            parents.append(parent.removesuffix(found[0]) + found[1])
        edits = canonical(dict(job.deviation)) if job.deviation else ""
        kind = Kind(job.stage, job.source, tuple(parents), job.checkpoints, edits)
        recipe = self.keep_recipe(job.settings, job.parts)
        self.add(self.keep_kind(kind), job.epoch, job.seed, recipe, job.fingerprint)

    def __len__(self) -> int:
        return len(self.prints)

    def at(self, place: int) -> Job:
        """Make the job at a place in launch order."""
        kind = self.kinds[self.of_kind[place]]
        settings, parts = self.recipes[self.of_recipe[place]]
        return Job(
            kind.stage,
            kind.source,
            self.epochs[self.of_epoch[place]],
            self.seeds[self.of_seed[place]],
            self.parents_at(place),
            settings,
            self.prints[place],
            json.loads(kind.deviation) if kind.deviation else _NO_EDITS,
            parts,
            kind.checkpoints,
        )

    def stage_at(self, place: int) -> Stage:
        """Return the stage of the job at a place."""
        return self.kinds[self.of_kind[place]].stage

    def source_at(self, place: int) -> str:
        """Return the source of the job at a place."""
        return self.kinds[self.of_kind[place]].source

    def cell_at(self, place: int) -> Cell | None:
        """Return the cell of the job at a place; None for one that cells share."""
        epoch, seed = self.epochs[self.of_epoch[place]], self.seeds[self.of_seed[place]]
        if epoch is None or seed is None:
            return None
        return Cell(self.kinds[self.of_kind[place]].source, epoch, seed)

    @cached_property
    def shared(self) -> list[int]:
        """Places of the jobs that cells share."""
        free = {at for at, epoch in enumerate(self.epochs) if epoch is None}
        free_seeds = {at for at, seed in enumerate(self.seeds) if seed is None}
        return [
            place
            for place, (epoch, seed) in enumerate(zip(self.of_epoch, self.of_seed, strict=True))
            if epoch in free or seed in free_seeds
        ]

    def stages_of_other_code(self, versions: Mapping[str, str]) -> tuple[Stage, ...]:
        """Return the stages that are planned with other code than ``versions`` names, in order.

        What fetches a base makes the same of it whatever its code is.
        """
        known, recipes = set(versions.values()), self.recipes
        is_other = [code not in known for code, _ in recipes.beside]
        if not any(is_other):
            return ()
        pairs = set(zip(self.of_kind, self.of_recipe, strict=True))
        found = {self.kinds[kind].stage for kind, at in pairs if is_other[recipes.of_beside[at]]}
        return tuple(stage for stage in Stage if stage in found and stage is not Stage.FETCH)

    def settings_at(self, place: int) -> str:
        """Return the key of the settings of the job at a place."""
        return self.recipes.keys[self.of_recipe[place]]

    def parents_at(self, place: int) -> tuple[str, ...]:
        """Return the ids of what the job at a place reads."""
        kind = self.kinds[self.of_kind[place]]
        seed = self.seeds[self.of_seed[place]]
        at = f"{self.epochs[self.of_epoch[place]]}#{seed}"
        return tuple(
            f"{parent[:-1]}{at}"
            if parent.endswith("@#")
            else f"{parent}{seed}"
            if parent.endswith("#")
            else parent
            for parent in kind.parents
        )

    def links(self) -> Iterator[tuple[int, str]]:
        """Yield places with what is read there; of all that read the same thing the first."""
        for (kind, seed), places in self.runs.items():
            number = self.seeds[seed]
            for parent in self.kinds[kind].parents:
                if parent.endswith("@#"):
                    head, tail = parent[:-1], f"#{number}"
                    for place in places:
                        yield place, f"{head}{self.epochs[self.of_epoch[place]]}{tail}"
                else:
                    yield places[0], f"{parent}{number}" if parent.endswith("#") else parent

    @cached_property
    def ids(self) -> JobIds:
        """Ids by place."""
        heads = [f"{kind.stage.value}/{kind.source}" for kind in self.kinds]
        return JobIds(heads, self.epochs, self.seeds, (self.of_kind, self.of_epoch, self.of_seed))

    @cached_property
    def places(self) -> Places:
        """Place of each job by its id, in order; fewer than jobs where one is there twice."""
        return Places(self.ids)

    @cached_property
    def _readers(self) -> dict[str, list[int]]:
        """Kinds that read something, by how ``Kind.parents`` writes it."""
        found: dict[str, list[int]] = {}
        for at, kind in enumerate(self.kinds):
            for parent in kind.parents:
                found.setdefault(parent, []).append(at)
        return found

    @cached_property
    def runs(self) -> dict[tuple[int, int], array[int]]:
        """Places of the jobs of a kind and seed (their indexes)."""
        found: dict[tuple[int, int], array[int]] = {}
        for place, key in enumerate(zip(self.of_kind, self.of_seed, strict=True)):
            if key not in found:
                found[key] = array("I")
            found[key].append(place)
        return found

    def children_of(self, place: int) -> tuple[str, ...]:
        """Return the ids of the jobs that read the output of the one at a place, in order."""
        ids, job = self.ids, self[place]
        found: set[int] = set()
        for kind in self._readers.get(job.id, ()):
            for seed in range(len(self.seeds)):
                found.update(self.runs.get((kind, seed), ()))
        if job.seed is not None:
            mine = self.of_seed[place]
            for kind in self._readers.get(job.id.removesuffix(f"{job.seed}"), ()):
                found.update(self.runs.get((kind, mine), ()))
        if job.cell is not None:
            head = job.id.removesuffix(f"{job.epoch}#{job.seed}") + "#"
            for kind in self._readers.get(head, ()):
                name = job_id(self.kinds[kind].stage, self.kinds[kind].source, job.epoch, job.seed)
                if (child := self.places.get(name)) is not None and self.of_kind[child] == kind:
                    found.add(child)
        return tuple(ids[child] for child in sorted(found))


class _ById(Mapping[str, T]):
    """Something of each job, by its id, made where it is asked for."""

    def __init__(self, table: JobTable, make: Callable[[int], T]) -> None:
        self._table, self._make = table, make

    def __getitem__(self, job: str) -> T:
        return self._make(self._table.places[job])

    def __contains__(self, job: object) -> bool:
        return job in self._table.places

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.places)

    def __len__(self) -> int:
        return len(self._table.places)


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
    jobs: tuple[Job, ...] | JobTable
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
    rates: Rates | None = field(default=None, compare=False)
    """How fast the base is expected to be worked on; no result depends on it."""
    estimates: Mapping[str, float] = field(default_factory=dict, compare=False)
    """The most seconds expected of a stage: what readers and engine reckon with at first."""

    @cached_property
    def table(self) -> JobTable:
        """The jobs as columns."""
        return self.jobs if isinstance(self.jobs, JobTable) else JobTable(self.jobs)

    @property
    def places(self) -> Places:
        """Place of each job in launch order, by its id."""
        return self.table.places

    @cached_property
    def by_id(self) -> Mapping[str, Job]:
        """Jobs by id, in launch order."""
        return self.each(self.table.__getitem__)

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
    def children(self) -> Mapping[str, tuple[str, ...]]:
        """Ids of the jobs that read a job's output, by its id."""
        return self.each(self.table.children_of)

    def each(self, make: Callable[[int], T]) -> Mapping[str, T]:
        """Return what ``make`` says of each job by its place, by id; made where it is asked for."""
        return _ById(self.table, make)


def with_commits(plan: Plan, before: Plan) -> Plan:
    """Return a plan with the commits of another that asks for the same bases."""
    same = {job.id for job in fetches(plan) if before.by_id.get(job.id) == job}
    return replace(plan, commits={id: one for id, one in before.commits.items() if id in same})


def with_code(plan: Plan, versions: Mapping[str, str]) -> Plan:
    """Return the same plan as other code carries it out; ``versions`` by stage."""

    def made_by(job: Job) -> Job:
        if job.parts is None:
            return job
        parts = replace(job.parts, code=versions.get(job.stage.value, ""))
        fingerprint = fingerprint_of(canonical(parts.as_json()), job.checkpoints, job.seed)
        return replace(job, parts=parts, fingerprint=fingerprint)

    return replace(plan, jobs=JobTable(map(made_by, plan.jobs)), code_version=all_code(versions))


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
