"""Turns the arms and axes of a config into the lines of its grid, each with a config of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from tuilab.grid.edits import EditError, edits_of, value_at
from tuilab.grid.lines import (
    ARMS,
    MARKED_ARMS,
    OWN_ARM,
    is_named,
    level_text,
    name_of,
    why_bad_level,
)

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig

Levels = Mapping[str, Any]
"""Values by dotted key."""
DATA_SEED = "data.seed"
MOST_LINES = 10_000


@dataclass(frozen=True, slots=True)
class Line:
    """A source in one arm, at one level of each axis: a row of the grid."""

    persona: str
    """Key of the source persona."""
    arm: str
    levels: Levels
    """Levels that are not the config's own."""
    label: str
    """What people see: the source's label, then what is not as the config says."""

    @property
    def name(self) -> str:
        """What cells have as their source: ``villain/B0,marker.lr=1e-05``."""
        return name_of(self.persona, self.arm, self.levels)

    @property
    def sets(self) -> Levels:
        """What it says in the config's place; {} for a line that is as the config says."""
        return {**(ARMS[self.arm] if self.arm != OWN_ARM else {}), **self.levels}


def axes_of(config: ExperimentConfig) -> dict[str, tuple[Any, ...]]:
    """Return every axis by its key, the data seeds among them."""
    seeds = {DATA_SEED: config.data_seeds} if config.data_seeds else {}
    return {**seeds, **config.axes}


def count_of_lines(config: ExperimentConfig) -> int:
    """Return how many lines a grid has, without making them."""
    return prod((len(config.sources), len(config.arms), *map(len, axes_of(config).values())))


def lines_of(config: ExperimentConfig) -> tuple[Line, ...]:
    """Return the lines of a grid: by source, then arm, then the axes in config order."""
    axes, raw = axes_of(config), config.model_dump(mode="json") if config.axes_given else {}
    own = {key: value_at(raw, key) for key in axes}
    variants = [
        (arm, {key: one for key, one in zip(axes, chosen, strict=True) if one != own[key]})
        for arm in config.arms
        for chosen in product(*axes.values())
    ]
    return tuple(
        Line(source, arm, levels, " ".join([config.label(source), *_words(axes, arm, levels)]))
        for source in config.sources
        for arm, levels in variants
    )


def _words(axes: Iterable[str], arm: str, levels: Levels) -> Iterator[str]:
    """Name what a line has of its own, by the last part of a key where that is one axis' alone."""
    if arm != OWN_ARM:
        yield arm
    last = [key.rpartition(".")[2] for key in axes if key != DATA_SEED]
    for key, value in levels.items():
        name = key.rpartition(".")[2]
        yield f"{name if last.count(name) == 1 else key}={level_text(value)}"


def under(config: ExperimentConfig, sets: Levels) -> ExperimentConfig:
    """Return the config of a line, or under a part of what it says; EditError."""
    return edits_of(config, sets) if sets else config


def wrong_order(config: ExperimentConfig) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield why the marker cannot come before convergence, where it shall."""
    marked = config.convergence.on == "marked" or any(one in MARKED_ARMS for one in config.arms)
    if marked and config.trait is not None:
        yield ("trait",), "arms A and C need the marker: its rate is checked before convergence"
    modes = {config.merge.mode, *config.axes.get("merge.mode", ())}
    if marked and modes != {"merged"}:
        yield ("merge", "mode"), 'arms A and C merge the marker first: it must be "merged"'


def wrong_axes(config: ExperimentConfig) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield what is wrong with arms and axes, with its place in the config."""
    yield from wrong_order(config)
    if not config.axes_given:
        return
    axes = axes_of(config)
    if named := [key for key in config.sources if is_named(key)]:
        said = f"ends as the arm or level of a line does ({named[0]}): name it otherwise"
        yield ("personas", named[0]), said
    if config.arms != (OWN_ARM,):
        for key, own in ARMS[OWN_ARM].items():
            if value_at(config.model_dump(mode="json"), key) != own:
                yield tuple(key.split(".")), "is what arms say: leave it out"
            if key in axes:
                yield ("axes", key), "is what arms say: leave one of them out"
    if config.data_seeds and DATA_SEED in config.axes:
        yield ("axes", DATA_SEED), "is what data_seeds says: leave one of them out"
    for key, values in axes.items():
        place = ("data_seeds",) if key == DATA_SEED and config.data_seeds else ("axes", key)
        for why in dict.fromkeys(_wrong_levels(config, key, values)):
            yield place, why
    if (count := count_of_lines(config)) > MOST_LINES:
        yield ("axes",), f"make {count} lines, more than {MOST_LINES}"


def _wrong_levels(config: ExperimentConfig, key: str, values: tuple[Any, ...]) -> Iterator[str]:
    if len(set(map(level_text, values))) < len(values):
        yield "lists a value more than once"
    for value in values:
        if why := why_bad_level(key, value):
            yield why
            continue
        try:
            edits_of(config, {key: value})
        except EditError as error:
            yield str(error)
