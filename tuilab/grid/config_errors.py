"""Says what is wrong with a config, all at once: ``file: field: message (nearest known key)``."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuilab.grid.config_keys import nearest

Path = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing wrong with a config."""

    file: str
    """File in which the field was written."""
    field: str
    """Dotted path, such as ``marker.lr`` or ``sources[2]``."""
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.field}: {self.message}"


class ConfigError(ValueError):
    """A config that cannot be used; holds every problem found."""

    def __init__(self, problems: Iterable[ConfigProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def from_pydantic(errors: Iterable[Mapping[str, Any]], model: Any) -> list[tuple[Path, str]]:
    """Turn validation errors into (path, message); unknown keys get their nearest known one."""
    located = [(_path(error), error) for error in errors]
    found: dict[tuple[Path, str], None] = {}
    for path, error in located:
        # A list whose elements are wrong is also counted as too short.
        inside = any(other != path and other[: len(path)] == path for other, _ in located)
        if error["type"] != "too_short" or not inside:
            found[(path, _message(error, path, model))] = None
    return list(found)


def dotted(path: Path) -> str:
    """Write a path as people read it: ``eval.scorer.kind``, ``sources[2]``, ``personas."a b"``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if str(part).replace("_", "").replace("-", "").isalnum() else f'"{part}"'
            text += f".{name}" if text else str(name)
    return text or "(the whole file)"


def origin(path: Path, layers: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Name the file that wrote the longest part of a path; the first of equals, the main one."""
    best, depth = layers[0][0], 0
    for file, raw in layers:
        if (reached := _depth(path, raw)) > depth:
            best, depth = file, reached
    return best


def _path(error: Mapping[str, Any]) -> Path:
    """Return where the error is, without the kind that pydantic puts behind ``eval.scorer``."""
    path = tuple(error["loc"])
    return path[:2] + path[3:] if path[:2] == ("eval", "scorer") else path


_PLAIN_WORDS = {
    "missing": "is required",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be text in quotes",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "union_tag_not_found": "needs a kind: substring, logprob or judge",
}


def _message(error: Mapping[str, Any], path: Path, model: Any) -> str:
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key{nearest(str(path[-1]), fields_at(model, path[:-1]))}"
    if kind in _PLAIN_WORDS:
        return _PLAIN_WORDS[kind]
    if kind == "value_error":
        return str(context.get("error", error["msg"]))
    if kind in ("literal_error", "union_tag_invalid"):
        choices = str(context.get("expected") or context.get("expected_tags"))
        words = [word.strip(" '") for word in choices.replace(" or ", ", ").split(",")]
        given = error.get("input")
        given = given.get("kind") if isinstance(given, Mapping) else given
        return f"{given!r} is not one of {', '.join(words)}{nearest(str(given), words)}"
    text = str(error["msg"]).removeprefix("Input ").removeprefix("Value ")
    return f"{text[:1].lower()}{text[1:]}, not {error.get('input')!r}"


def fields_at(model: Any, path: Path) -> list[str]:
    """Return the known keys of the table at a path of the schema; [] when it is no table."""
    models = _models(model)
    for part in path:
        step: list[Any] = []
        for one in models:
            fields = getattr(one, "model_fields", {})
            step += _models(fields[part].annotation) if part in fields else []
            step += one.values if isinstance(one, _Table) else []
        models = step
    return [name for one in models for name in getattr(one, "model_fields", {})]


@dataclass(frozen=True)
class _Table:
    """A free-form table, such as ``personas``, and the models of its values."""

    values: list[Any]


def _models(annotation: Any) -> list[Any]:
    if hasattr(annotation, "model_fields"):
        return [annotation]
    inner = typing.get_args(annotation)
    if typing.get_origin(annotation) is dict:
        return [_Table(_models(inner[1]))]
    return [found for part in inner for found in _models(part)]


def _depth(path: Path, raw: Any) -> int:
    for count, part in enumerate(path):
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            return count
    return len(path)
