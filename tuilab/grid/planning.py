"""Makes the plan: every job of a config, what it reads, and the order in which jobs start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from tuilab.grid import settings as stage_settings
from tuilab.grid.cells import Cell
from tuilab.grid.edits import Deviation, edits_of, sets_for, sets_for_all, without_idle
from tuilab.grid.estimate import SEVEN_B, TINY, Cost, cost_of
from tuilab.grid.fingerprint import SHORT, Parts, canonical, digest
from tuilab.grid.jobs import Job, Plan, fetch_id, job_id
from tuilab.grid.lines import CONTROL_ARM, name_of, persona_of
from tuilab.grid.metrics import KINDS
from tuilab.grid.shared_values import SharedValues
from tuilab.grid.stages import MEASURE_STAGES, OWN_STAGES, Stage
from tuilab.grid.text import list_of
from tuilab.grid.variants import Line, lines_of, under

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig

CodeVersion = str | Mapping[str, str]


class PlanError(ValueError):
    """A plan that cannot be made; its text says why and what would help."""


def make_plan(
    config: ExperimentConfig,
    code_version: CodeVersion = "",
    deviations: Sequence[Deviation] = (),
    base_hash: str = "",
    blocks: int | None = None,
    is_on_hub: bool = False,
) -> Plan:
    """Resolve a config into jobs; the same values always give the same plan.

    ``code_version`` is one version for all stages or one per stage; ``base_hash`` tells base models
    of one name apart; ``blocks`` is how many decoder blocks it has, if known; ``is_on_hub``: it
    has to be fetched before anything loads it. Raises PlanError when a check blocks a launch or an
    edit would change a job that other cells share.
    """
    from tuilab.grid.checks import blocking

    if found := blocking(config, blocks):
        raise PlanError("; ".join(check.sentence for check in found))
    draft = _Draft(config, code_version, deviations, base_hash)
    fetch = (fetch_id(config.base.model),) if is_on_hub else ()
    if is_on_hub:
        draft.add(_fetch_job(config))
    for job in _ordered_jobs(_Lines(config)):
        draft.add(replace(job, parents=(*job.parents, *fetch)))
    return draft.finish()


@dataclass(frozen=True, slots=True)
class _Sketch:
    """A job before its settings are known."""

    stage: Stage
    source: str
    epoch: int | None
    seed: int | None
    parents: tuple[str, ...]
    cells: tuple[Cell, ...]
    """Cells that read it; an edit must reach all of them."""
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

        The control arm converges on the target's own answers, the same for every source.
        """
        who = self.config.target if line.arm == CONTROL_ARM else line.persona
        above = self._data_sets(line, self.voice(line))
        make = partial(stage_settings.converge_settings, source=who)
        sets = above | self._changing(line, ("converge", who), make)
        return name_of(who, levels={key: sets[key] for key in sets if key in line.levels})

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


def _fetch_job(config: ExperimentConfig) -> _Sketch:
    cells = tuple(
        Cell(line.name, epoch, seed)
        for line in lines_of(config)
        for seed in config.seeds
        for epoch in config.epochs
    )
    return _Sketch(Stage.FETCH, config.base.model.replace("/", "--"), None, None, (), cells, config)


def _ordered_jobs(lines: _Lines) -> Iterator[_Sketch]:
    """Yield jobs in launch order: one seed after the other, then line by line.

    Epoch 0 comes before the convergence run, because it needs none and gives the first result;
    while it trains, a second worker converges. A cell's stages stand together, so that it is
    finished before the next one begins.
    """
    config = lines.config
    readers = _readers(lines)
    asked: set[str] = set()

    def shared(stage: Stage, source: str, seed: int | None, parents: tuple[str, ...]) -> _Sketch:
        cells = readers[job_id(stage, source, None, seed)]
        return _Sketch(stage, source, None, seed, parents, cells, lines.config_of(line))

    for seed in config.seeds:
        for line in lines.all:
            own = lines.config_of(line)
            for key in _data_keys(lines, line):
                sketch = shared(Stage.DATA, lines.data(line, key), None, ())
                if sketch.id not in asked:
                    asked.add(sketch.id)
                    yield sketch
            if 0 in config.epochs:
                yield from _cell_jobs(lines, line, own, Cell(line.name, 0, seed))
            later = [Cell(line.name, epoch, seed) for epoch in config.epochs if epoch > 0]
            if later:
                parents = (job_id(Stage.DATA, lines.data(line, lines.voice(line))),)
                sketch = shared(Stage.CONVERGE, lines.convergence(line), seed, parents)
                if sketch.id not in asked:
                    asked.add(sketch.id)
                    yield sketch
            for cell in later:
                yield from _cell_jobs(lines, line, own, cell)


def _cell_jobs(
    lines: _Lines, line: Line, config: ExperimentConfig, cell: Cell
) -> Iterator[_Sketch]:
    place = (cell.source, cell.epoch, cell.seed)
    voices = _voices(config, line.persona)
    data = tuple(job_id(Stage.DATA, lines.data(line, key)) for key in voices)
    run = job_id(Stage.CONVERGE, lines.convergence(line), None, cell.seed)
    adapter = (run,) if cell.epoch > 0 else ()
    made = (Stage.TRAIN, Stage.MERGE, Stage.EVAL)
    train, merge, sampled = (job_id(stage, *place) for stage in made)
    parents = {
        Stage.TRAIN: (*adapter, *data),
        Stage.MERGE: (train, *adapter),
        Stage.EVAL: (merge, train, *adapter),
        Stage.COSINE: (merge, train, *adapter),
        Stage.SCORE: (sampled,),
        Stage.CHOICES: (merge, train, *adapter),
        Stage.JUDGE: (sampled,),
    }
    asked = {KINDS[measure.kind] for measure in config.measures}
    for stage in OWN_STAGES:
        if stage in asked or stage not in MEASURE_STAGES:
            yield _Sketch(stage, *place, parents[stage], (cell,), config)


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
        for key in _data_keys(lines, line):
            found.setdefault(job_id(Stage.DATA, lines.data(line, key)), []).extend(
                Cell(line.name, epoch, seed) for seed in config.seeds for epoch in config.epochs
            )
        for seed in config.seeds:
            run = job_id(Stage.CONVERGE, lines.convergence(line), None, seed)
            found.setdefault(run, []).extend(
                Cell(line.name, epoch, seed) for epoch in config.epochs if epoch > 0
            )
    return {job: tuple(cells) for job, cells in found.items()}


@dataclass
class _Draft:
    """Collects jobs with their settings and fingerprints."""

    config: ExperimentConfig
    code_version: CodeVersion
    deviations: Sequence[Deviation]
    base_hash: str
    jobs: dict[str, Job] = field(default_factory=dict)
    settings: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    shared: SharedValues = field(default_factory=SharedValues)
    parts: dict[str, Parts] = field(default_factory=dict)
    edited: dict[tuple[int, str], ExperimentConfig] = field(default_factory=dict)
    """Configs under edits, by the config of a line, which its sketches keep, and the edits."""
    raws: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Configs of lines as plain values."""

    def add(self, sketch: _Sketch) -> None:
        """Resolve one job; its parents were added before."""
        plain = self._settings(sketch, sketch.config)
        chosen, edits = self._edited(sketch, plain)
        key = self._keep(sketch, chosen)
        checkpoints = tuple(chosen.get("checkpoints", ()))
        parts = self._parts(sketch.stage, key)
        self.jobs[sketch.id] = Job(
            stage=sketch.stage,
            source=sketch.source,
            epoch=sketch.epoch,
            seed=sketch.seed,
            parents=sketch.parents,
            settings=key,
            fingerprint=digest([parts.as_json(), checkpoints, sketch.seed])[:SHORT],
            deviation=edits,
            parts=parts,
            checkpoints=checkpoints,
        )

    def _parts(self, stage: Stage, key: str) -> Parts:
        """Return what decides the result of jobs with these settings; cells share most of them."""
        if key not in self.parts:
            settings = self.settings[key]
            deciding = stage_settings.deciding(stage, settings)
            decides = self.shared.decided(settings, deciding)[:SHORT]
            base = self.base_hash[:SHORT]
            if stage is Stage.FETCH:
                base = self.settings[key]["revision"] or "main"
            self.parts[key] = Parts(decides, self._code(stage), base)
        return self.parts[key]

    def finish(self) -> Plan:
        """Return the plan of all jobs added."""
        config, lines = self.config, lines_of(self.config)
        return Plan(
            experiment=config.name,
            sources=tuple(line.name for line in lines),
            labels={
                **{key: config.label(key) for key in config.personas},
                **{line.name: line.label for line in lines if line.sets},
            },
            target=config.target,
            epochs=config.epochs,
            seeds=config.seeds,
            jobs=tuple(self.jobs.values()),
            settings=self.settings,
            config_hash=config_hash(config),
            resources={
                **config.resources.model_dump(mode="json"),
                "estimates": self._forecast(lambda cost: round(cost.seconds, 2)),
                **self._tracker(),
            },
            synthetic=config.is_synthetic,
            headline_cosine={
                "layer": config.headline_layer,
                "pool": config.cosine.pool_name,
                "model_state": "marked",
            },
            reference=None if config.reference == "none" else config.reference,
            code_version=self._all_code,
            measured=config.measured,
        )

    def _tracker(self) -> dict[str, Any]:
        """Where copies of the events go; among the resources, since no result depends on it."""
        tracker = self.config.tracker
        return {"tracker": tracker.model_dump(mode="json")} if tracker.kind != "none" else {}

    def _forecast(self, part: Callable[[Cost], float]) -> dict[str, float]:
        """Return the largest expected value by stage: what the engine reckons with at first."""
        rates = TINY if self.config.is_synthetic else SEVEN_B
        found: dict[str, float] = {}
        for stage, key in dict.fromkeys((job.stage, job.settings) for job in self.jobs.values()):
            value = part(cost_of(stage, self.settings[key], rates))
            found[stage.value] = max(found.get(stage.value, 0), value)
        return found

    def _edited(
        self, sketch: _Sketch, plain: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], dict[str, Any]]:
        """Return the settings under the edits of the cells that read the job, and those edits."""
        if not self.deviations:
            return plain, {}
        results = {cell: self._under_edits(sketch, cell, plain) for cell in sketch.cells}
        first = results[sketch.cells[0]]
        if any(result != first for result in results.values()):
            raise PlanError(_explain_shared(sketch, results, plain))
        if first == plain:
            return plain, {}
        if (key := id(sketch.config)) not in self.raws:
            self.raws[key] = sketch.config.model_dump(mode="json")
        return first, without_idle(self.raws[key], sets_for_all(self.deviations, sketch.cells))

    def _under_edits(
        self, sketch: _Sketch, cell: Cell, plain: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        sets = sets_for(self.deviations, cell)
        if not sets:
            return plain
        key = (id(sketch.config), digest(sets))
        if key not in self.edited:
            self.edited[key] = edits_of(sketch.config, sets)
        return self._settings(sketch, self.edited[key])

    def _settings(self, sketch: _Sketch, config: ExperimentConfig) -> Mapping[str, Any]:
        if sketch.stage is Stage.FETCH:
            return stage_settings.fetch_settings(config)
        if sketch.stage is Stage.DATA:
            return stage_settings.data_settings(config, persona_of(sketch.source))
        if sketch.stage is Stage.CONVERGE:
            return stage_settings.converge_settings(config, persona_of(sketch.source))
        return stage_settings.CELL_SETTINGS[sketch.stage](config, sketch.cells[0])

    def _keep(self, sketch: _Sketch, chosen: Mapping[str, Any]) -> str:
        """Store settings once and return their key; jobs with equal settings share it."""
        chosen = self.shared.kept(chosen)
        made = self.shared.decided(chosen, chosen)
        at = "" if sketch.epoch is None else f"@{sketch.epoch}"
        key = f"{sketch.stage.value}/{sketch.source}{at}"
        if self.hashes.get(key, made) != made:
            key = f"{key}~{made[:8]}"
        self.settings.setdefault(key, chosen)
        self.hashes[key] = made
        return key

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
        return digest(dict(self.code_version))[:16]


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
