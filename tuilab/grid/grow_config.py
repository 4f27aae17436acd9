"""Adds sources, epochs and seeds to a config's TOML text; comments and layout stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuilab.grid.text import nearest

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig


class GrowError(ValueError):
    """A grid that cannot grow like this; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class More:
    """What is to be added to a grid."""

    sources: tuple[str, ...] = ()
    epochs: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sources or self.epochs or self.seeds)

    def as_json(self) -> dict[str, Any]:
        """Return the options of a request that asks for it."""
        parts = {"sources": self.sources, "epochs": self.epochs, "seeds": self.seeds}
        return {name: list(values) for name, values in parts.items() if values}


def more_from(raw: Mapping[str, Any]) -> More:
    """Read what ``as_json`` returned; GrowError where a part is something else."""
    try:
        sources, *numbers = (raw.get(name, ()) for name in ("sources", "epochs", "seeds"))
        epochs, seeds = (tuple(int(one) for one in found) for found in numbers)
        return More(tuple(str(one) for one in sources), epochs, seeds)
    except (TypeError, ValueError) as error:
        raise GrowError(f"these are no sources, epochs and seeds: {error}") from error


def with_more(text: str, config: ExperimentConfig, more: More) -> str:
    """Return the text of a config with more sources, epochs and seeds.

    What a new source or epoch cannot do without is added as well: a place in the panel and in the
    cosine pool, a convergence run that is long enough. Raises GrowError.
    """
    import tomlkit

    document = tomlkit.parse(text)
    for path, values in _additions(config, more):
        *tables, key = path.split(".")
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
    lists = ("sources", "epochs", "seeds", "panel")
    if not all(set(getattr(first, name)) <= set(getattr(own, name)) for name in lists):
        return False
    if not set(first.cosine.pool) <= set(own.cosine.pool):
        return False
    if own.convergence.epochs < first.convergence.epochs:
        return False
    as_first = {
        **{name: getattr(first, name) for name in lists},
        "cosine": own.cosine.model_copy(update={"pool": first.cosine.pool}),
        "convergence": own.convergence.model_copy(update={"epochs": first.convergence.epochs}),
    }
    return own.model_copy(update=as_first) == first


def _additions(config: ExperimentConfig, more: More) -> Iterator[tuple[str, Any]]:
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
    }
    if more and not any(new.values()):
        raise GrowError("all of that is planned already: there is nothing to add")
    if new["sources"]:
        yield "sources", [*config.sources, *new["sources"]]
        if outside := [key for key in new["sources"] if key not in config.panel]:
            yield "panel", [*config.panel, *outside]
        pool = config.cosine.pool
        if pool and (outside := [key for key in new["sources"] if key not in pool]):
            yield "cosine.pool", [*pool, *outside]
    if new["epochs"]:
        yield "epochs", sorted([*config.epochs, *new["epochs"]])
        if (last := max(more.epochs)) > config.convergence.epochs:
            yield "convergence.epochs", last
    if new["seeds"]:
        yield "seeds", [*config.seeds, *new["seeds"]]


def _insert(array: Any, values: Sequence[Any]) -> None:
    """Bring an array to these values by inserting alone, so that its comments stay."""
    for place, value in enumerate(values):
        if place >= len(array) or array[place] != value:
            array.insert(place, value)
