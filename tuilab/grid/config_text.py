"""Reads a config's TOML text, with ``extends`` resolved; the only reader of that format."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuilab.grid.config import ExperimentConfig, wrong_references
from tuilab.grid.config_errors import (
    ConfigError,
    ConfigProblem,
    Path,
    dotted,
    from_pydantic,
    origin,
)
from tuilab.grid.config_rest import without

Read = Callable[[str, str], tuple[str, str]]
"""(name in ``extends``, file that says so) -> (file name to show, text); OSError if not there."""

EXTENDS = "extends"
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A config that was understood."""

    config: ExperimentConfig
    text: str
    """TOML that stands alone: what was extended is written out."""
    files: tuple[str, ...]
    """Files it was read from, the one asked for first."""


@dataclass(frozen=True, slots=True)
class _Layer:
    file: str
    text: str
    raw: Mapping[str, Any]


def load_config(file: str, text: str, read: Read) -> LoadedConfig:
    """Understand a config; ConfigError holds every problem of every file involved.

    ``file`` is the name to show in messages; ``read`` fetches what ``extends`` names.
    """
    layers = _layers(file, text, read)
    merged = _merge_all(layers)
    sources = [(layer.file, layer.raw) for layer in layers]
    config, wrong = _validate(merged)
    if wrong or config is None:
        raise ConfigError(
            ConfigProblem(origin(path, sources), dotted(path), message) for path, message in wrong
        )
    return LoadedConfig(config, _stand_alone(layers, merged), tuple(x.file for x in layers))


def _layers(file: str, text: str, read: Read) -> list[_Layer]:
    """Return the files from the one asked for to the one it ends in."""
    found = [_parse(file, text)]
    while (name := found[-1].raw.get(EXTENDS)) is not None:
        here = found[-1].file
        if not isinstance(name, str):
            raise _only(here, EXTENDS, "must be the name of one file")
        try:
            next_file, next_text = read(name, here)
        except OSError as error:
            why = error.strerror or str(error)
            raise _only(here, EXTENDS, f"{name} cannot be read: {why}") from None
        if any(next_file == layer.file for layer in found):
            raise _only(here, EXTENDS, f"{name} extends itself")
        if len(found) == _DEEPEST:
            raise _only(here, EXTENDS, f"more than {_DEEPEST} files extend one another")
        found.append(_parse(next_file, next_text))
    return found


def _parse(file: str, text: str) -> _Layer:
    try:
        return _Layer(file, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise _only(file, "(TOML)", str(error)) from None


def _only(file: str, field: str, message: str) -> ConfigError:
    return ConfigError([ConfigProblem(file, field, message)])


def _merge_all(layers: list[_Layer]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in reversed(layers):
        merged = _merge(merged, layer.raw)
    merged.pop(EXTENDS, None)
    return merged


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one table over another; tables are joined, everything else is replaced."""
    joined = dict(under)
    for key, value in over.items():
        below = joined.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            value = _merge(below, value)
        joined[key] = value
    return joined


_ROUNDS = 3
"""How often wrong values are replaced: some of pydantic's checks wait until others are content."""


def _validate(raw: Mapping[str, Any]) -> tuple[ExperimentConfig | None, list[tuple[Path, str]]]:
    """Check schema and references; where fields are wrong, the rest is still looked at."""
    config, wrong = _fit(raw)
    rest, seen, new = config, raw, wrong
    for _ in range(_ROUNDS):
        if rest is not None:
            break
        known = [path for path, _ in wrong]
        seen = without(seen, [path for path, _ in new])
        rest, new = _fit(seen)
        wrong += [problem for problem in new if not _touches(problem[0], known)]
    if rest is not None:
        wrong += _contradictions(rest, [path for path, _ in wrong])
    return config, wrong


def _contradictions(config: ExperimentConfig, known: list[Path]) -> Iterator[tuple[Path, str]]:
    """Yield what is wrong between fields that are not ``known`` to be wrong themselves."""
    for problem in wrong_references(config):
        if not any(_touches(path, known) for path in (problem.path, *problem.reads)):
            yield problem.path, problem.message


def _fit(raw: Mapping[str, Any]) -> tuple[ExperimentConfig | None, list[tuple[Path, str]]]:
    from pydantic import ValidationError

    # JSON mode is strict about types and still reads a list as a tuple.
    text = json.dumps(raw, default=str)
    try:
        return ExperimentConfig.model_validate_json(text), []
    except ValidationError as error:
        return None, from_pydantic(error.errors(), ExperimentConfig)


def _touches(path: Path, known: list[Path]) -> bool:
    return any(path[: len(other)] == other or other[: len(path)] == path for other in known)


def _stand_alone(layers: list[_Layer], merged: Mapping[str, Any]) -> str:
    """Return TOML that needs no other file: the text itself, or all tables written out."""
    if len(layers) == 1:
        return layers[0].text
    import tomlkit

    names = " <- ".join(layer.file.rsplit("/", 1)[-1] for layer in layers)
    return f"# Written out from {names}\n\n{tomlkit.dumps(merged)}"
