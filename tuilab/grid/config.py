"""The config of an experiment: its schema, and the references between its tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

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
    check_persona_keys,
)
from tuilab.grid.config_keys import nearest

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

    @field_validator("personas")
    @classmethod
    def _have_usable_keys(cls, personas: dict[str, Persona]) -> dict[str, Persona]:
        return check_persona_keys(personas)

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


Problem = tuple[tuple[Any, ...], str]
"""Path of a field and what is wrong with it."""

_PLANNED = "is planned and not available yet"


def wrong_references(config: ExperimentConfig) -> Iterator[Problem]:
    """Yield what the schema alone cannot see: unknown personas, repeats, what is only planned."""
    yield from _unknown_personas(config)
    yield from _repeats(config)
    yield from _out_of_range(config)
    yield from _not_yet(config)


def _unknown_personas(config: ExperimentConfig) -> Iterator[Problem]:
    named: list[tuple[tuple[Any, ...], str]] = [
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
            yield path, f"{key!r} is not one of the personas{nearest(key, config.personas)}"


def _repeats(config: ExperimentConfig) -> Iterator[Problem]:
    lists: dict[tuple[Any, ...], tuple[Any, ...]] = {
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
            yield path, f"names {', '.join(again)} more than once"


def _out_of_range(config: ExperimentConfig) -> Iterator[Problem]:
    last = config.convergence.epochs
    if list(config.epochs) != sorted(config.epochs):
        yield ("epochs",), "must rise"
    if beyond := [epoch for epoch in config.epochs if epoch > last]:
        yield ("epochs",), f"{beyond} lie beyond convergence.epochs = {last}"
    if config.cosine.headline_layer not in (None, *config.cosine.layers):
        yield ("cosine", "headline_layer"), f"is not one of cosine.layers {config.cosine.layers}"
    for name in ("training", "evaluation"):
        have, use = len(getattr(config.questions, name)), f"{name}_count"
        if (count := getattr(config.questions, use)) is not None and count > have:
            yield ("questions", use), f"is {count}, but there are only {have} {name} questions"


def _not_yet(config: ExperimentConfig) -> Iterator[Problem]:
    if config.arm != "B":
        yield ("arm",), f"arm {config.arm} {_PLANNED}; write B"
    if config.eval.scorer.kind != "substring":
        yield ("eval", "scorer", "kind"), f"{config.eval.scorer.kind!r} {_PLANNED}; write substring"
    if config.resources.executor != "local":
        yield ("resources", "executor"), f"{config.resources.executor!r} {_PLANNED}; write local"
