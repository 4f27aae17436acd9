"""Reads a config's TOML text, with ``extends`` resolved; says all that is wrong with it at once."""

from __future__ import annotations

import copy
import json
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from tuilab.grid import toml
from tuilab.grid.config import ExperimentConfig, Path, wrong_references
from tuilab.grid.metrics import KINDS
from tuilab.grid.text import nearest

if TYPE_CHECKING:
    from pydantic import BaseModel

Model = TypeVar("Model", bound="BaseModel")
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
    data: Mapping[str, bytes] = field(default_factory=dict)
    """What the files beside it hold that it names, by name."""


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
            ConfigProblem(_origin(path, sources), dotted(path), message) for path, message in wrong
        )
    return LoadedConfig(config, _stand_alone(layers, merged), tuple(x.file for x in layers))


def change_config(loaded: LoadedConfig, values: Mapping[str, Any]) -> LoadedConfig:
    """Return the config with other values at dotted keys, in text (comments kept) and value."""
    import tomlkit

    document = tomlkit.parse(loaded.text)
    for key, value in values.items():
        *tables, last = key.split(".")
        table: Any = document
        for name in tables:
            table = table.setdefault(name, tomlkit.table())
        table[last] = value
    made = load_config(loaded.files[0], tomlkit.dumps(document), _read_nothing)
    return replace(made, config=made.config.with_files(loaded.config.files), data=loaded.data)


def _read_nothing(name: str, by: str) -> tuple[str, str]:
    raise FileNotFoundError(f"{by} names {name}, but it should stand alone")


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
            raise _only(here, EXTENDS, f"more than {_DEEPEST} files extend each other")
        found.append(_parse(next_file, next_text))
    return found


def _parse(file: str, text: str) -> _Layer:
    return _Layer(file, text, parse_toml(file, text))


def parse_toml(file: str, text: str) -> dict[str, Any]:
    """Read TOML; ConfigError where it is none, or holds numbers that no library takes."""
    try:
        raw = toml.loads(text)
    except toml.TOMLDecodeError as error:
        raise _only(file, "(TOML)", str(error)) from None
    if huge := [dotted(path) for path, value in _numbers(raw) if not -(2**63) <= value < 2**63]:
        raise ConfigError(
            ConfigProblem(file, name, "is an integer beyond 64 bits, which no library takes")
            for name in huge
        )
    return raw


def _numbers(value: Any, path: Path = ()) -> Iterator[tuple[Path, int]]:
    """Yield every integer of a document with its place."""
    if isinstance(value, int):
        yield path, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _numbers(one, (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _numbers(one, (*path, index))


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
    raw = dict(_with_marker(raw))
    if "arm" in raw:  # as configs said it before there were several
        raw = {"arms": [raw.pop("arm")], **raw}
    config, wrong = fit(raw, ExperimentConfig)
    rest, seen, new = config, raw, wrong
    for _ in range(_ROUNDS):
        if rest is not None:
            break
        known = [path for path, _ in wrong]
        seen = without(seen, [path for path, _ in new])
        rest, new = fit(seen, ExperimentConfig)
        wrong += [problem for problem in new if not _touches(problem[0], known)]
    if rest is not None:
        wrong += _contradictions(rest, [path for path, _ in wrong])
    return config, wrong


def _with_marker(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read ``[trait] kind = "marker"`` as the table ``[marker]``, which it is."""
    trait = raw.get("trait")
    if not isinstance(trait, Mapping) or trait.get("kind", "marker") != "marker":
        return raw
    learned = {name: value for name, value in trait.items() if name != "kind"}
    rest = {name: value for name, value in raw.items() if name != "trait"}
    below = raw.get("marker")
    return {**rest, "marker": _merge(below if isinstance(below, Mapping) else {}, learned)}


def _contradictions(config: ExperimentConfig, known: list[Path]) -> Iterator[tuple[Path, str]]:
    """Yield what is wrong between fields that are not ``known`` to be wrong themselves."""
    for problem in wrong_references(config):
        if not any(_touches(path, known) for path in (problem.path, *problem.reads)):
            yield problem.path, problem.message


def fit(raw: Mapping[str, Any], model: type[Model]) -> tuple[Model | None, list[tuple[Path, str]]]:
    """Read a document by a schema: the value, or what is wrong with it by path."""
    from pydantic import ValidationError

    # JSON mode is strict about types and still reads a list as a tuple.
    text = json.dumps(raw, default=str)
    try:
        return model.model_validate_json(text), []
    except ValidationError as error:
        return None, _from_pydantic(error.errors(), model)


def _touches(path: Path, known: list[Path]) -> bool:
    return any(path[: len(other)] == other or other[: len(path)] == path for other in known)


def _stand_alone(layers: list[_Layer], merged: Mapping[str, Any]) -> str:
    """Return TOML that needs no other file: the text itself, or all tables written out."""
    if len(layers) == 1:
        return layers[0].text
    import tomlkit

    names = " <- ".join(layer.file.rsplit("/", 1)[-1] for layer in layers)
    # tomlkit numbers an array anew for each item that comes: it is given the numbers as text.
    tables = {
        key: tomlkit.value(json.dumps(value)) if _are_numbers(value) else value
        for key, value in merged.items()
    }
    return f"# Written out from {names}\n\n{tomlkit.dumps(tables)}"


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(one) is int for one in value)


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing wrong with a config."""

    file: str
    """File in which the field was written."""
    field: str
    """Dotted path, such as ``marker.lr`` or ``sources[2]``."""
    message: str
    fetch: str = ""
    """The file on a hub that has to be fetched before anything else can be said."""

    def __str__(self) -> str:
        return f"{self.file}: {self.field}: {self.message}"


class ConfigError(ValueError):
    """A config that cannot be used; holds every problem found."""

    def __init__(self, problems: Iterable[ConfigProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def _from_pydantic(errors: Iterable[Mapping[str, Any]], model: Any) -> list[tuple[Path, str]]:
    """Turn validation errors into (path, message); unknown keys get their nearest known one."""
    located = [(_as_written(tuple(error["loc"])), error) for error in errors]
    found: dict[tuple[Path, str], None] = {}
    for path, error in located:
        # A list whose elements are wrong is also counted as too short.
        inside = any(other != path and other[: len(path)] == path for other, _ in located)
        if error["type"] != "too_short" or not inside:
            found[(path, _message(error, path, model))] = None
    return list(found)


def _as_written(path: Path) -> Path:
    """Leave out what pydantic puts into a path: a measure's kind, a type that a level has not."""
    if path[:1] == ("axes",):
        return path[:2]
    if path[:1] == ("measures",) and len(path) > 2:
        path = (*path[:2], *path[3:])
    # Behind the name of a key all is blanked out, as a key would be.
    return path[:-1] if path[-2:] in _KEYS else path


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


def _origin(path: Path, layers: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Name the file that wrote the longest part of a path; the first of equals, the main one."""
    best, depth = layers[0][0], 0
    for file, raw in layers:
        if (reached := _depth(path, raw)) > depth:
            best, depth = file, reached
    return best


_PLAIN_WORDS = {
    "missing": "is required", "int_type": "must be a whole number",
    "int_from_float": "must be a whole number", "float_type": "must be a number",
    "finite_number": "must be a finite number", "string_type": "must be text in quotes",
    "bool_type": "must be true or false", "tuple_type": "must be a list",
    "dict_type": "must be a table", "model_type": "must be a table",
    "string_too_short": "must not be empty", "too_short": "must not be empty",
}  # fmt: skip


_UNSUPPORTED = (
    "use_dora", "dora", "quantization", "quantization_config", "load_in_4bit", "load_in_8bit",
    "full_finetuning", "full_fine_tuning",
)  # fmt: skip
"""Settings of DoRA, of quantised bases and of full fine-tuning, as other programs name them."""


_KEYS = {("judge", name) for name in ("api_key", "key", "token", "secret")}
"""Where people put a judge's key."""


def _message(error: Mapping[str, Any], path: Path, model: Any) -> str:
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind == "extra_forbidden" and path[-1] in _UNSUPPORTED:
        return "is not supported: a cell is a plain LoRA on a base in float32 or bfloat16"
    if kind == "extra_forbidden" and tuple(error["loc"])[-2:] in _KEYS:
        return f"has no {error['loc'][-1]}: key_env names the variable that holds the key"
    if kind == "extra_forbidden":
        return f"unknown key{nearest(str(path[-1]), _fields_at(model, path[:-1]))}"
    if path[:1] == ("axes",) and len(error["loc"]) > 2:
        return "must be numbers, words, true or false"
    if kind in _PLAIN_WORDS:
        return _PLAIN_WORDS[kind]
    if kind == "value_error":
        return str(context.get("error", error["msg"]))
    if kind == "union_tag_not_found":
        return f"needs a kind: {', '.join(KINDS)}"
    if kind == "union_tag_invalid":
        tag = str(context["tag"])
        return f"there is no measure of kind {tag!r}{nearest(tag, KINDS)}: {', '.join(KINDS)}"
    if kind in ("literal_error", "enum"):
        choices = str(context["expected"]).replace(" or ", ", ")
        words = [word.strip(" '") for word in choices.split(",")]
        given = error.get("input")
        return f"must be {' or '.join(words)}, not {given!r}{nearest(str(given), words)}"
    text = str(error["msg"]).removeprefix("Input ").removeprefix("Value ")
    return f"{text[:1].lower()}{text[1:]}, not {error.get('input')!r}"


def _fields_at(model: Any, path: Path) -> list[str]:
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


_ANY = object()
_TEXT = "?"
_STAND_INS: tuple[tuple[Path, Any], ...] = (
    (("name",), _TEXT),
    (("base",), {"model": _TEXT}),
    (("base", "model"), _TEXT),
    (("personas",), {}),
    (("personas", _ANY), {"prompt": _TEXT}),
    (("personas", _ANY, "prompt"), _TEXT),
    (("sources",), [_TEXT]),
    (("panel",), [_TEXT]),
    (("epochs",), [0]),
    (("questions",), {"training": [_TEXT], "evaluation": [_TEXT]}),
    (("questions", "training"), [_TEXT]),
    (("questions", "evaluation"), [_TEXT]),
)
"""Values for required fields; whatever is said of them because of these is not reported."""


def without(raw: Mapping[str, Any], wrong: Iterable[Path]) -> dict[str, Any]:
    """Return a copy in which harmless values stand for the wrong ones, or nothing at all."""
    rest: dict[str, Any] = copy.deepcopy(dict(raw))
    bad = set(wrong)
    for path in bad:
        _mend(rest, path, bad)
    return rest


def _mend(rest: dict[str, Any], path: Path, bad: set[Path]) -> None:
    table: Any = rest
    for depth, part in enumerate(path):
        here = path[: depth + 1]
        if isinstance(table, list):
            _mend_list(rest, path[:depth], table, part, bad)
            return
        is_last = depth == len(path) - 1
        if is_last or not isinstance(table.get(part), dict | list):
            _replace(table, part, here)
            return
        table = table[part]


def _mend_list(
    rest: dict[str, Any], path: Path, values: list[Any], index: Any, bad: set[Path]
) -> None:
    """Let a good neighbour stand for a wrong element: the others keep their numbers."""
    good = [value for n, value in enumerate(values) if (*path, n) not in bad]
    if good and isinstance(index, int) and index < len(values):
        values[index] = good[0]
    else:
        _mend(rest, path, bad)


def _replace(table: dict[str, Any], key: Any, path: Path) -> None:
    table.pop(key, None)
    for pattern, value in _STAND_INS:
        if len(pattern) == len(path) and all(
            want is _ANY or want == part for want, part in zip(pattern, path, strict=True)
        ):
            table[key] = copy.deepcopy(value)
