"""The config of an experiment: its schema, and the references between its tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from tuilab.grid.config_blocks import (
    Base,
    Block,
    Convergence,
    Cosine,
    Data,
    Eval,
    Key,
    Marker,
    Merge,
    Negatives,
    Persona,
    Questions,
    Resources,
    Tracker,
)
from tuilab.grid.config_keys import nearest, why_bad_key

CONFIG_SCHEMA = 1


class ExperimentConfig(Block):
    """Everything that decides what an experiment is; resolved, so nothing else is consulted."""

    config_schema: Annotated[int, Field(ge=1, le=CONFIG_SCHEMA)] = CONFIG_SCHEMA
    name: Annotated[str, Field(min_length=1, max_length=80)]
    note: str = ""
    """One sentence for people."""
    arm: Literal["A", "B", "C"] = "B"
    base: Base
    personas: dict[str, Persona]
    sources: Annotated[tuple[Key, ...], Field(min_length=1)]
    target: Key = "assistant"
    panel: Annotated[tuple[Key, ...], Field(min_length=1)]
    """Personas that are sampled and scored in every cell."""
    epochs: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
    """Convergence epochs of the grid; 0 is the untouched base."""
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (42,)
    """Training seeds."""
    reference: Literal["none", "eps109"] = "none"
    """Published table that results are compared with."""
    questions: Questions
    negatives: Negatives = Negatives()
    data: Data = Data()
    convergence: Convergence = Convergence()
    marker: Marker = Marker()
    merge: Merge = Merge()
    eval: Eval = Eval()
    cosine: Cosine = Cosine()
    resources: Resources = Resources()
    tracker: Tracker = Tracker()

    @property
    def is_synthetic(self) -> bool:
        """Whether the base is the tiny synthetic one."""
        return self.base.model == "tiny"

    @property
    def training_questions(self) -> tuple[str, ...]:
        """The training questions in use."""
        return self.questions.training[: self.questions.training_count]

    @property
    def evaluation_questions(self) -> tuple[str, ...]:
        """The evaluation questions in use."""
        return self.questions.evaluation[: self.questions.evaluation_count]

    @property
    def cosine_pool(self) -> tuple[str, ...]:
        """Personas of the centring pool."""
        return self.cosine.pool or self.panel

    @property
    def headline_layer(self) -> int:
        """The layer whose cosine the grid shows."""
        chosen = self.cosine.headline_layer
        return self.cosine.layers[0] if chosen is None else chosen

    def label(self, key: str) -> str:
        """What people see for a persona."""
        return self.personas[key].label or key

    def negatives_of(self, source: str) -> tuple[str, ...]:
        """Negative personas of a source."""
        return self.negatives.by_source.get(source, self.negatives.default)


Path = tuple[Any, ...]


class Problem(NamedTuple):
    """A field that contradicts others."""

    path: Path
    message: str
    reads: tuple[Path, ...] = ()
    """The other fields; where one of them is wrong itself, nothing can be said."""


_PLANNED = "is planned and not available yet"


def wrong_references(config: ExperimentConfig) -> Iterator[Problem]:
    """Yield what the schema alone cannot see: keys, personas, repeats, what is planned."""
    yield from _unusable_keys(config)
    yield from _unknown_personas(config)
    yield from _repeats(config)
    yield from _out_of_range(config)
    yield from _not_yet(config)


def _unusable_keys(config: ExperimentConfig) -> Iterator[Problem]:
    for key in config.personas:
        if why := why_bad_key(key):
            yield Problem(("personas", key), why)


def _unknown_personas(config: ExperimentConfig) -> Iterator[Problem]:
    named: list[tuple[Path, str]] = [
        (("target",), config.target),
        *((("sources", i), key) for i, key in enumerate(config.sources)),
        *((("panel", i), key) for i, key in enumerate(config.panel)),
        *((("cosine", "pool", i), key) for i, key in enumerate(config.cosine.pool)),
        *((("negatives", "default", i), key) for i, key in enumerate(config.negatives.default)),
    ]
    for source, keys in config.negatives.by_source.items():
        path = ("negatives", "by_source", source)
        named.append((path, source))
        named += [((*path, i), key) for i, key in enumerate(keys)]
    for path, key in named:
        if key not in config.personas:
            said = f"{key!r} is not one of the personas{nearest(key, config.personas)}"
            yield Problem(path, said, (("personas", key),))


def _repeats(config: ExperimentConfig) -> Iterator[Problem]:
    lists: dict[Path, tuple[Any, ...]] = {
        ("sources",): config.sources,
        ("panel",): config.panel,
        ("epochs",): config.epochs,
        ("seeds",): config.seeds,
        ("cosine", "layers"): config.cosine.layers,
        ("cosine", "pool"): config.cosine.pool,
        ("negatives", "default"): config.negatives.default,
        ("questions", "training"): config.questions.training,
        ("questions", "evaluation"): config.questions.evaluation,
        **{("negatives", "by_source", k): v for k, v in config.negatives.by_source.items()},
    }
    for path, values in lists.items():
        if again := sorted({str(value) for value in values if values.count(value) > 1}):
            yield Problem(path, f"names {', '.join(again)} more than once")


def _out_of_range(config: ExperimentConfig) -> Iterator[Problem]:
    last = config.convergence.epochs
    if list(config.epochs) != sorted(config.epochs):
        yield Problem(("epochs",), "must rise")
    if beyond := [epoch for epoch in config.epochs if epoch > last]:
        said = f"{beyond} lie beyond convergence.epochs = {last}"
        yield Problem(("epochs",), said, (("convergence", "epochs"),))
    if config.cosine.headline_layer not in (None, *config.cosine.layers):
        said = f"is not one of cosine.layers {config.cosine.layers}"
        yield Problem(("cosine", "headline_layer"), said, (("cosine", "layers"),))
    for name in ("training", "evaluation"):
        have, use = len(getattr(config.questions, name)), f"{name}_count"
        if (count := getattr(config.questions, use)) is not None and count > have:
            said = f"is {count}, but there are only {have} {name} questions"
            yield Problem(("questions", use), said, (("questions", name),))


def _not_yet(config: ExperimentConfig) -> Iterator[Problem]:
    if config.arm != "B":
        yield Problem(("arm",), f"arm {config.arm} {_PLANNED}; write B")
    if config.eval.scorer.kind != "substring":
        said = f"{config.eval.scorer.kind!r} {_PLANNED}; write substring"
        yield Problem(("eval", "scorer", "kind"), said)
    if config.resources.executor != "local":
        said = f"{config.resources.executor!r} {_PLANNED}; write local"
        yield Problem(("resources", "executor"), said)
