"""Makes the plan: every job of a config, what it reads, and the order in which jobs start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from tuilab.grid import settings as stage_settings
from tuilab.grid.cells import Cell
from tuilab.grid.edits import Deviation, edits_of, sets_for, sets_for_all, without_idle
from tuilab.grid.estimate import Cost, by_stage, cost_of, planned_rates
from tuilab.grid.fingerprint import (
    SHORT,
    Parts,
    all_code,
    canonical,
    digest,
    fingerprint_of,
    hash_of_text,
)
from tuilab.grid.jobs import JobTable, Kind, Plan, fetch_id, job_id
from tuilab.grid.lines import CONTROLS, MARKED_ARMS, name_of, persona_of
from tuilab.grid.metrics import KINDS
from tuilab.grid.rates import Rates, Shape, shape_named
from tuilab.grid.settings_table import SettingsTable
from tuilab.grid.stages import MEASURE_STAGES, OWN_STAGES, Stage
from tuilab.grid.text import list_of
from tuilab.grid.variants import Line, lines_of, under

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

    from tuilab.grid.config import ExperimentConfig

CodeVersion = str | Mapping[str, str]


class PlanError(ValueError):
    """A plan that cannot be made; its text says why and what would help."""


def make_plan(
    config: ExperimentConfig,
    code_version: CodeVersion = "",
    deviations: Sequence[Deviation] = (),
    base_hash: str = "",
    shape: Shape | None = None,
    is_on_hub: bool = False,
) -> Plan:
    """Resolve a config into jobs; the same values always give the same plan.

    ``code_version`` is one version for all stages or one per stage; ``base_hash`` tells base models
    of one name apart; ``shape`` is what is known of its size; ``is_on_hub``: it has to be fetched
    before anything loads it. Raises PlanError when a check blocks a launch or an
    edit would change a job that other cells share.
    """
    from tuilab.grid.checks import blocking

    if found := blocking(config, shape.blocks if shape else None):
        raise PlanError("; ".join(check.sentence for check in found))
    lines = _Lines(config)
    shape = shape or shape_named(config.base.model)
    rates = planned_rates(shape, config.base.device, config.resources.threads or 1)
    draft = _Draft(lines, code_version, deviations, base_hash, rates)
    fetch = (fetch_id(config.base.model),) if is_on_hub else ()
    if is_on_hub:
        name = config.base.model.replace("/", "--")
        draft.add(_Sketch(Stage.FETCH, name, None, None, (), config))
    for job in _ordered_jobs(lines, fetch):
        draft.add(job)
    return draft.finish()


class _Sketch(NamedTuple):
    """A job before its settings are known."""

    stage: Stage
    source: str
    epoch: int | None
    seed: int | None
    parents: tuple[str, ...]
    """As in ``jobs.Kind``."""
    config: ExperimentConfig
    """What it is planned from: the config of a line that reads it."""

    @property
    def id(self) -> str:
        return job_id(self.stage, self.source, self.epoch, self.seed)


class _Lines:
    """The lines of a grid with their configs, and what their shared jobs are called.

    A shared job is named after those factors of its line that change it or what it reads, so
    that lines which differ in others share it.
    """

    def __init__(self, config: ExperimentConfig) -> None:
        self.config = config
        self.all = lines_of(config)
        self._configs: dict[str, ExperimentConfig] = {}
        self._kept: dict[tuple[Any, ...], dict[str, Any]] = {}

    def config_of(self, line: Line) -> ExperimentConfig:
        """Return the config under what a line says."""
        return self._under(line.sets)

    def voice(self, line: Line) -> str:
        """Return whose answers the target converges on."""
        is_own = self.config_of(line).convergence.voice == "source"
        return line.persona if is_own else self.config.target

    def data(self, line: Line, key: str) -> str:
        """Return the source of the job that has a persona's answers."""
        return name_of(key, levels=self._data_sets(line, key))

    def convergence(self, line: Line) -> str:
        """Return the source of the job that a line's checkpoints come from.

        B0 converges on the target's own answers, the same for every source; A and C on the base
        that has the source's marker.
        """
        who = self.config.target if line.arm == CONTROLS[""] else line.persona
        arm = line.arm if line.arm in MARKED_ARMS else ""
        above = self._data_sets(line, self.voice(line))
        if self.is_marked(line):
            above = above | self._marker_sets(line)
        make = partial(stage_settings.converge_settings, source=who)
        sets = above | self._changing(line, ("converge", who), make)
        return name_of(who, arm, {key: sets[key] for key in sets if key in line.levels})

    def is_marked(self, line: Line) -> bool:
        """Whether the marker is trained on the base, for all cells of the line."""
        return self.config_of(line).convergence.on == "marked"

    def marker(self, line: Line) -> str:
        """Return the source of the job that trains the marker of a marked line on the base."""
        sets = self._marker_sets(line)
        return name_of(line.persona, levels={k: sets[k] for k in sets if k in line.levels})

    def _marker_sets(self, line: Line) -> dict[str, Any]:
        first = Cell(line.persona, 0, 0)
        make = partial(stage_settings.train_settings, cell=first)
        sets = self._changing(line, ("train", line.persona), make)
        for key in _voices(self.config_of(line), line.persona):
            sets = sets | self._data_sets(line, key)
        return sets

    def _data_sets(self, line: Line, key: str) -> dict[str, Any]:
        return self._changing(line, ("data", key), partial(stage_settings.data_settings, key=key))

    def _changing(
        self, line: Line, what: tuple[str, str], make: Callable[[ExperimentConfig], Any]
    ) -> dict[str, Any]:
        """Return what of a line changes some settings."""
        known = (*what, line.arm, tuple(line.levels.items()))
        if known not in self._kept:
            whole = make(self.config_of(line)) if line.sets else None
            self._kept[known] = {
                key: value
                for key, value in line.sets.items()
                if make(self._under({k: v for k, v in line.sets.items() if k != key})) != whole
            }
        return self._kept[known]

    def _under(self, sets: Mapping[str, Any]) -> ExperimentConfig:
        if not sets:
            return self.config
        key = canonical(sets)
        if key not in self._configs:
            self._configs[key] = under(self.config, sets)
        return self._configs[key]


def _ordered_jobs(lines: _Lines, fetch: tuple[str, ...]) -> Iterator[_Sketch]:
    """Yield jobs in launch order: one seed after the other, then line by line.

    Epoch 0 comes before the convergence run, because it needs none and gives the first result;
    while it trains, a second worker converges. A cell's stages stand together, so that it is
    finished before the next one begins. Everything reads ``fetch``.
    """
    config = lines.config
    later = [epoch for epoch in config.epochs if epoch > 0]
    asked: set[str] = set()
    for seed in config.seeds:
        for line in lines.all:
            own = lines.config_of(line)
            shared = [
                _Sketch(Stage.DATA, lines.data(line, key), None, None, fetch, own)
                for key in _data_keys(lines, line)
            ]
            if lines.is_marked(line):
                above = (*_data_ids(lines, line), *fetch)
                shared.append(_Sketch(Stage.TRAIN, lines.marker(line), None, seed, above, own))
            yield from _new(shared, asked)
            if 0 in config.epochs:
                for stage, parents in _parents(lines, line, 0).items():
                    yield _Sketch(stage, line.name, 0, seed, (*parents, *fetch), own)
            if not later:
                continue
            data = job_id(Stage.DATA, lines.data(line, lines.voice(line)))
            run = lines.convergence(line)
            below = (
                (f"{job_id(Stage.TRAIN, lines.marker(line))}#",) if lines.is_marked(line) else ()
            )
            shared = [_Sketch(Stage.CONVERGE, run, None, seed, (*below, data, *fetch), own)]
            yield from _new(shared, asked)
            stages = _parents(lines, line, later[0]).items()
            chain = [(stage, (*parents, *fetch)) for stage, parents in stages]
            for epoch in later:
                for stage, above in chain:
                    yield _Sketch(stage, line.name, epoch, seed, above, own)


def _new(jobs: Sequence[_Sketch], asked: set[str]) -> Iterator[_Sketch]:
    for job in jobs:
        if job.id not in asked:
            asked.add(job.id)
            yield job


def _parents(lines: _Lines, line: Line, epoch: int) -> dict[Stage, tuple[str, ...]]:
    """Return the stages of a line's cell with what each reads, as in ``jobs.Kind``."""
    config, data = lines.config_of(line), _data_ids(lines, line)
    run = f"{job_id(Stage.CONVERGE, lines.convergence(line))}#"
    adapter = (run,) if epoch > 0 else ()
    made = (Stage.TRAIN, Stage.MERGE, Stage.EVAL)
    train, merge, sampled = (f"{job_id(stage, line.name)}@#" for stage in made)
    is_marked = lines.is_marked(line)
    if is_marked:
        train = f"{job_id(Stage.TRAIN, lines.marker(line))}#"
    parents = {
        Stage.TRAIN: (*adapter, *data),
        Stage.MERGE: (train, *adapter),
        Stage.EVAL: (merge, train, *adapter),
        Stage.COSINE: (merge, train, *adapter),
        Stage.SCORE: (sampled,),
        Stage.CHOICES: (merge, train, *adapter),
        Stage.JUDGE: (sampled,),
        Stage.INSPECT: (merge, train, *adapter),
    }
    asked = {KINDS[measure.kind] for measure in config.measures}
    own = (stage for stage in OWN_STAGES if stage in asked or stage not in MEASURE_STAGES)
    return {stage: parents[stage] for stage in own if not (is_marked and stage is Stage.TRAIN)}


def _data_ids(lines: _Lines, line: Line) -> tuple[str, ...]:
    """Return the jobs whose answers the second adapter of a line learns from."""
    voices = _voices(lines.config_of(line), line.persona)
    return tuple(job_id(Stage.DATA, lines.data(line, key)) for key in voices)


def _voices(config: ExperimentConfig, source: str) -> tuple[str, ...]:
    """Personas whose own answers the second adapter learns from; none where files have all rows."""
    trait = config.trait
    if trait is None:
        return (source, *config.negatives_of(source))
    return () if trait.negatives else config.negatives_of(source)


def _data_keys(lines: _Lines, line: Line) -> list[str]:
    keys = list(_voices(lines.config_of(line), line.persona))
    if any(lines.config.epochs):
        keys.append(lines.voice(line))
    return list(dict.fromkeys(keys))


def _readers(lines: _Lines) -> dict[str, tuple[Cell, ...]]:
    """Return the cells that read each shared job, by its id."""
    found: dict[str, list[Cell]] = {}
    config = lines.config
    for line in lines.all:
        cells = [Cell(line.name, epoch, seed) for seed in config.seeds for epoch in config.epochs]
        shared = [job_id(Stage.DATA, lines.data(line, key)) for key in _data_keys(lines, line)]
        for job in (fetch_id(config.base.model), *shared):
            found.setdefault(job, []).extend(cells)
        for seed in config.seeds:
            own = [cell for cell in cells if cell.seed == seed]
            if lines.is_marked(line):
                marker = job_id(Stage.TRAIN, lines.marker(line), None, seed)
                found.setdefault(marker, []).extend(own)
            run = job_id(Stage.CONVERGE, lines.convergence(line), None, seed)
            found.setdefault(run, []).extend(cell for cell in own if cell.epoch > 0)
    return {job: tuple(cells) for job, cells in found.items()}


class _Family(NamedTuple):
    """The settings of a stage that all cells of a source share, before or after epoch 0."""

    settings: Mapping[str, Any]
    codes: Mapping[str, int]
    """Of each value, where it is kept."""
    texts: Mapping[str, str]
    """What decides the result, each value as canonical JSON behind its name; in order."""
    begun: dict[int | None, Hash]
    """What was hashed of it by epoch, up to the seed: most of it is the panel."""


@dataclass
class _Draft:
    """Collects jobs with their settings and fingerprints."""

    lines: _Lines
    code_version: CodeVersion
    deviations: Sequence[Deviation]
    base_hash: str
    rates: Rates
    jobs: JobTable = field(default_factory=JobTable)
    settings: SettingsTable = field(default_factory=SettingsTable)
    recipes: dict[str, int] = field(default_factory=dict)
    """Of each key of settings its place among the recipes of the jobs."""
    texts: list[str] = field(default_factory=list)
    """The parts of each recipe as canonical JSON."""
    families: dict[tuple[int, Stage, str, bool], _Family] = field(default_factory=dict)
    costs: dict[tuple[int, Stage, str, bool], Cost] = field(default_factory=dict)
    """Of the families that jobs belong to."""
    edited: dict[tuple[int, str], ExperimentConfig] = field(default_factory=dict)
    """Configs under edits, by the config of a line, which ``lines`` keeps, and the edits."""
    raws: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Configs of lines as plain values."""

    def add(self, sketch: _Sketch) -> None:
        """Resolve one job; its parents were added before."""
        key, config = self._key(sketch), sketch.config
        edits: dict[str, Any] = {}
        if self.deviations:
            config, edits = self._edited(sketch)
            is_apart = edits and sketch.seed is not None and "#" not in key
            key = f"{key}#{sketch.seed}" if is_apart else key
        if key not in self.recipes:
            self._resolve(key, sketch, config)
        recipe = self.recipes[key]
        checkpoints: tuple[int, ...] = ()
        if sketch.stage is Stage.CONVERGE:
            checkpoints = tuple(self.settings[key]["checkpoints"])
        told = canonical(edits) if edits else ""
        kind = Kind(sketch.stage, sketch.source, sketch.parents, checkpoints, told)
        fingerprint = fingerprint_of(self.texts[recipe], checkpoints, sketch.seed)
        at = self.jobs.keep_kind(kind)
        self.jobs.add(at, sketch.epoch, sketch.seed, recipe, fingerprint)

    def _key(self, sketch: _Sketch) -> str:
        """Name the settings of a job; those with equal settings share them."""
        at = "" if sketch.epoch is None else f"@{sketch.epoch}"
        seed = f"#{sketch.seed}" if sketch.stage is Stage.EVAL else ""
        return f"{sketch.stage.value}/{sketch.source}{at}{seed}"

    def _resolve(self, key: str, sketch: _Sketch, config: ExperimentConfig) -> None:
        """Keep the settings of a job, and what decides its result."""
        family, own = self._family(sketch, config), self._own(sketch, config)
        codes = {**family.codes, **{name: self.settings.code(own[name]) for name in own}}
        self.settings.put_row(key, tuple(codes), tuple(codes.values()))
        base = self.base_hash[:SHORT]
        if sketch.stage is Stage.FETCH:
            base = family.settings["revision"] or "main"
        parts = Parts(_decides(family, own), self._code(sketch.stage), base)
        self.recipes[key] = self.jobs.keep_recipe(key, parts)
        self.texts.append(canonical(parts.as_json()))
        name = _family_of(sketch, config)
        if name not in self.costs:
            self.costs[name] = cost_of(sketch.stage, family.settings, self.rates)

    def _family(self, sketch: _Sketch, config: ExperimentConfig) -> _Family:
        name = _family_of(sketch, config)
        if name not in self.families:
            made = _settings_of(sketch, config)
            codes = {one: self.settings.code(value) for one, value in made.items()}
            decides = stage_settings.deciding(sketch.stage, made)
            texts = {one: _named(one, decides[one]) for one in sorted(decides)}
            self.families[name] = _Family(made, codes, texts, {})
        return self.families[name]

    def _own(self, sketch: _Sketch, config: ExperimentConfig) -> Mapping[str, Any]:
        if sketch.epoch is None or sketch.seed is None:
            return {}
        cell = Cell(sketch.source, sketch.epoch, sketch.seed)
        return stage_settings.own_settings(config, sketch.stage, cell)

    def finish(self) -> Plan:
        """Return the plan of all jobs added."""
        config = self.lines.config
        return Plan(
            experiment=config.name,
            **declared(config, self.lines.all),
            jobs=self.jobs,
            settings=self.settings,
            config_hash=config_hash(config),
            resources={**config.resources.model_dump(mode="json"), **self._tracker()},
            code_version=self._all_code,
            rates=self.rates,
            estimates=by_stage((name[1], cost) for name, cost in self.costs.items()),
        )

    def _tracker(self) -> dict[str, Any]:
        """Where copies of the events go; among the resources, since no result depends on it."""
        tracker = self.lines.config.tracker
        return {"tracker": tracker.model_dump(mode="json")} if tracker.kind != "none" else {}

    def _edited(self, sketch: _Sketch) -> tuple[ExperimentConfig, dict[str, Any]]:
        """Return the config under the edits of the cells that read a job, and those edits."""
        cells = self._cells(sketch)
        configs = {cell: self._under_edits(sketch, cell) for cell in cells}
        plain = self._whole(sketch, sketch.config)
        made = {id(one): self._whole(sketch, one) for one in configs.values()}
        results = {cell: made[id(config)] for cell, config in configs.items()}
        first = results[cells[0]]
        if any(result != first for result in made.values()):
            raise PlanError(_explain_shared(sketch, results, plain))
        if first == plain:
            return sketch.config, {}
        if (key := id(sketch.config)) not in self.raws:
            self.raws[key] = sketch.config.model_dump(mode="json")
        edits = without_idle(self.raws[key], sets_for_all(self.deviations, cells))
        return configs[cells[0]], edits

    def _whole(self, sketch: _Sketch, config: ExperimentConfig) -> Mapping[str, Any]:
        return {**self._family(sketch, config).settings, **self._own(sketch, config)}

    def _cells(self, sketch: _Sketch) -> tuple[Cell, ...]:
        """Return the cells that read a job; an edit must reach all of them."""
        if sketch.epoch is not None and sketch.seed is not None:
            return (Cell(sketch.source, sketch.epoch, sketch.seed),)
        return self._readers[sketch.id]

    @cached_property
    def _readers(self) -> dict[str, tuple[Cell, ...]]:
        return _readers(self.lines)

    def _under_edits(self, sketch: _Sketch, cell: Cell) -> ExperimentConfig:
        sets = sets_for(self.deviations, cell)
        if not sets:
            return sketch.config
        key = (id(sketch.config), digest(sets))
        if key not in self.edited:
            self.edited[key] = edits_of(sketch.config, sets)
        return self.edited[key]

    def _code(self, stage: Stage) -> str:
        if stage is Stage.FETCH:
            return ""  # the same files whichever program fetched them
        if isinstance(self.code_version, str):
            return self.code_version
        return self.code_version.get(stage.value, "")

    @cached_property
    def _all_code(self) -> str:
        if isinstance(self.code_version, str):
            return self.code_version
        return all_code(self.code_version)


def _settings_of(sketch: _Sketch, config: ExperimentConfig) -> Mapping[str, Any]:
    if sketch.stage is Stage.FETCH:
        return stage_settings.fetch_settings(config)
    if sketch.stage is Stage.DATA:
        return stage_settings.data_settings(config, persona_of(sketch.source))
    if sketch.stage is Stage.CONVERGE:
        return stage_settings.converge_settings(config, persona_of(sketch.source))
    cell = Cell(sketch.source, sketch.epoch or 0, sketch.seed or 0)
    return stage_settings.CELL_SETTINGS[sketch.stage](config, cell)


def _family_of(sketch: _Sketch, config: ExperimentConfig) -> tuple[int, Stage, str, bool]:
    return id(config), sketch.stage, sketch.source, bool(sketch.epoch)


def _decides(family: _Family, own: Mapping[str, Any]) -> str:
    """Return the hash of the deciding settings of one of a family: ``digest`` of them all."""
    texts = {**family.texts, **{name: _named(name, value) for name, value in own.items()}}
    pieces = [f",{text}" for text in texts.values()]
    cut, epoch = list(texts).index("seed") if "seed" in own else 0, own.get("epoch")
    if cut and epoch not in family.begun:
        family.begun[epoch] = hash_of_text("{" + "".join(pieces[:cut])[1:])
    hasher = family.begun[epoch].copy() if cut else hash_of_text("{")
    rest = "".join(pieces[cut:])
    return hash_of_text((rest if cut else rest[1:]) + "}", hasher).hexdigest()[:SHORT]


def _named(name: str, value: Any) -> str:
    return f"{canonical(name)}:{canonical(value)}"


def declared(config: ExperimentConfig, lines: Sequence[Line]) -> dict[str, Any]:
    """Return what a plan takes from its config as it is: whom and what it is about."""
    return {
        "sources": tuple(line.name for line in lines),
        "labels": {
            **{key: config.label(key) for key in config.personas},
            **{line.name: line.label for line in lines if line.sets},
        },
        "target": config.target,
        "epochs": config.epochs,
        "seeds": config.seeds,
        "synthetic": config.is_synthetic,
        "headline_cosine": {
            "layer": config.headline_layer,
            "pool": config.cosine.pool_name,
            "model_state": config.cosine.model_states[0],
        },
        "reference": None if config.reference == "none" else config.reference,
        "measured": config.measured,
    }


def config_hash(config: ExperimentConfig) -> str:
    """sha256 of the resolved config; equal configs hash equally however they were written."""
    return digest(config.model_dump(mode="json"))


def _explain_shared(
    sketch: _Sketch, results: Mapping[Cell, Mapping[str, Any]], plain: Mapping[str, Any]
) -> str:
    without = [str(cell) for cell, result in results.items() if result == plain]
    return (
        f"{sketch.id} is shared by {len(results)} cells and the edit reaches only some of them; "
        f"select {list_of(without, 6) or 'all of them'} as well, or edit experiment.toml"
    )
