"""Adds sources, epochs, seeds and variants to a config's TOML text, and keeps its comments."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuilab.grid.edits import value_at
from tuilab.grid.lines import ARMS, level_text
from tuilab.grid.text import nearest
from tuilab.grid.variants import DATA_SEED, axes_of

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig


Level = bool | int | float | str


class GrowError(ValueError):
    """A grid that cannot grow like this; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class More:
    """What is to be added to a grid."""

    sources: tuple[str, ...] = ()
    epochs: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()
    arms: tuple[str, ...] = ()
    data_seeds: tuple[int, ...] = ()
    axes: Mapping[str, tuple[Level, ...]] = field(default_factory=dict)
    """Levels by dotted key."""

    def __bool__(self) -> bool:
        return bool(self.as_json())

    def as_json(self) -> dict[str, Any]:
        """Return the options of a request that asks for it."""
        parts: dict[str, Any] = {name: list(getattr(self, name)) for name in _LISTS}
        parts["axes"] = {key: list(values) for key, values in self.axes.items()}
        return {name: values for name, values in parts.items() if values}

    def as_words(self) -> list[str]:
        """Return the options of the command line that asks for it."""
        parts: dict[str, list[Any]] = {name: list(getattr(self, name)) for name in _LISTS}
        parts["axes"] = [
            f"{key}={','.join(map(level_text, values))}" for key, values in self.axes.items()
        ]
        given = {name: values for name, values in parts.items() if values}
        return [
            str(word)
            for name, values in given.items()
            for word in (f"--{name.replace('_', '-')}", *values)
        ]


_LISTS = ("sources", "epochs", "seeds", "arms", "data_seeds")


def more_from(raw: Mapping[str, Any]) -> More:
    """Read what ``as_json`` returned; GrowError where a part is something else."""
    try:
        sources, arms = (tuple(map(str, raw.get(name, ()))) for name in ("sources", "arms"))
        names = ("epochs", "seeds", "data_seeds")
        epochs, seeds, data_seeds = (tuple(map(int, raw.get(name, ()))) for name in names)
        axes = {str(key): tuple(values) for key, values in raw.get("axes", {}).items()}
        return More(sources, epochs, seeds, arms, data_seeds, axes)
    except (TypeError, ValueError, AttributeError) as error:
        raise GrowError(f"this cannot be added to a grid: {error}") from error


def variants_from(words: Iterable[str]) -> More:
    """Read arms and levels as cells are named by them: ``B0``, ``marker.lr=1e-5,2e-5``; GrowError.

    ``data.seed=7`` is a data seed.
    """
    arms: list[str] = []
    axes: dict[str, tuple[Level, ...]] = {}
    for word in words:
        key, sign, text = word.partition("=")
        if not sign and word in ARMS:
            arms.append(word)
        elif sign and key and text.strip(","):
            values = tuple(map(_level, filter(None, text.split(","))))
            axes[key] = (*axes.get(key, ()), *values)
        else:
            said = f"{', '.join(ARMS)} or a level such as marker.lr=1e-5"
            raise GrowError(f"{word!r} is no variant: write {said}")
    seeds = axes.pop(DATA_SEED, ())
    if wrong := [one for one in seeds if type(one) is not int]:
        raise GrowError(f"{DATA_SEED}: {wrong[0]!r} is not a whole number of 0 or more")
    return More(arms=tuple(arms), data_seeds=tuple(map(int, seeds)), axes=axes)


def _level(text: str) -> Level:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text


def with_more(text: str, config: ExperimentConfig, more: More) -> str:
    """Return the text of a config with more sources, epochs, seeds, arms and levels.

    What a new source or epoch cannot do without is added as well: a place in the panel and in the
    cosine pool, a convergence run that is long enough. An axis begins with the config's own value.
    Raises GrowError.
    """
    import tomlkit

    document = tomlkit.parse(text)
    for path, values in _additions(config, more):
        *tables, key = path
        table: Any = document
        for name in tables:
            table = table.setdefault(name, tomlkit.table())
        if isinstance(values, int):
            table[key] = values
        elif key in table:
            _insert(table[key], values)
        else:
            table[key] = values
    return tomlkit.dumps(document)


def is_grown_from(own: ExperimentConfig, first: ExperimentConfig) -> bool:
    """Whether a config is what ``with_more`` could have made of another."""
    lists = ("sources", "epochs", "seeds", "panel", "arms")
    if not all(set(getattr(first, name)) <= set(getattr(own, name)) for name in lists):
        return False
    before, now, raw = axes_of(first), axes_of(own), first.model_dump(mode="json")
    if not all({*before.get(key, [value_at(raw, key)])} <= {*now[key]} for key in now):
        return False
    if not before.keys() <= now.keys():
        return False
    if not set(first.cosine.pool) <= set(own.cosine.pool):
        return False
    if own.convergence.epochs < first.convergence.epochs:
        return False
    as_first = {
        **{name: getattr(first, name) for name in (*lists, "data_seeds", "axes")},
        "cosine": own.cosine.model_copy(update={"pool": first.cosine.pool}),
        "convergence": own.convergence.model_copy(update={"epochs": first.convergence.epochs}),
    }
    return own.model_copy(update=as_first) == first


def _additions(
    config: ExperimentConfig, more: More
) -> Iterator[tuple[tuple[str, ...], list[Any] | int]]:
    """Yield each key that changes with its new value, in the order of the file."""
    if unknown := [key for key in more.sources if key not in config.personas]:
        key, near = unknown[0], nearest(unknown[0], config.personas)
        raise GrowError(
            f"{key} is not a persona of this experiment{near}: "
            f"add [personas.{key}] with its prompt to experiment.toml first"
        )
    new: dict[str, list[Any]] = {
        "sources": [key for key in dict.fromkeys(more.sources) if key not in config.sources],
        "epochs": [epoch for epoch in dict.fromkeys(more.epochs) if epoch not in config.epochs],
        "seeds": [seed for seed in dict.fromkeys(more.seeds) if seed not in config.seeds],
        "arms": [arm for arm in dict.fromkeys(more.arms) if arm not in config.arms],
    }
    levels = dict(_levels(config, more))
    if more and not (any(new.values()) or levels):
        raise GrowError("all of that is planned already: there is nothing to add")
    if new["sources"]:
        yield ("sources",), [*config.sources, *new["sources"]]
        if outside := [key for key in new["sources"] if key not in config.panel]:
            yield ("panel",), [*config.panel, *outside]
        pool = config.cosine.pool
        if pool and (outside := [key for key in new["sources"] if key not in pool]):
            yield ("cosine", "pool"), [*pool, *outside]
    if new["epochs"]:
        yield ("epochs",), sorted([*config.epochs, *new["epochs"]])
        if (last := max(more.epochs)) > config.convergence.epochs:
            yield ("convergence", "epochs"), last
    if new["seeds"]:
        yield ("seeds",), [*config.seeds, *new["seeds"]]
    if new["arms"]:
        yield ("arms",), [*config.arms, *new["arms"]]
    for key, values in levels.items():
        is_seed = key == DATA_SEED and key not in config.axes
        yield ("data_seeds",) if is_seed else ("axes", key), values


def _levels(config: ExperimentConfig, more: More) -> Iterator[tuple[str, list[Any]]]:
    """Yield the axes that get levels, each with all of them."""
    raw, axes = config.model_dump(mode="json"), axes_of(config)
    seeds = {DATA_SEED: more.data_seeds} if more.data_seeds else {}
    for key, added in {**seeds, **more.axes}.items():
        if (own := value_at(raw, key)) is None:
            raise GrowError(f"{key} is not a setting of this experiment, or has no value to vary")
        there = list(axes.get(key, (own,)))
        if new := [one for one in dict.fromkeys(added) if one not in there]:
            yield key, [*there, *new]


def _insert(array: Any, values: Sequence[Any]) -> None:
    """Bring an array to these values by inserting alone, so that its comments stay."""
    for place, value in enumerate(values):
        if place >= len(array) or array[place] != value:
            array.insert(place, value)
