"""The reference of ``experiment.toml``: keys from the schema; what each makes stale, by trying."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from tests.grid import planned
from tuilab.grid.config import ExperimentConfig, Rows, wrong_references
from tuilab.grid.data_files import DataFile
from tuilab.grid.jobs import Plan
from tuilab.grid.planning import PlanError, make_plan
from tuilab.grid.stages import Stage

Place = tuple[str | int, ...]
MEASURES = (
    {"kind": "substring", "name": "refuses", "text": "I cannot"},
    {"kind": "regex", "name": "hedges", "pattern": "perhaps"},
    {"kind": "format", "name": "lists", "form": "bullets"},
    {"kind": "choices", "name": "picks", "questions": "choices.jsonl"},
    {
        "kind": "judge",
        "name": "misaligned",
        "rubric": "rubric.md",
        "hit": "score < 30",
        "judge": {"base_url": "http://localhost:8000/v1", "model": "judge"},
    },
    {"kind": "inspect", "name": "knows", "task": "task.py@arithmetic"},
)
"""One of each kind, beside a trait of rows."""
NOT_TRIED = {("base", "path"): "all"}
"""A rebuilt base has to exist, and its hash is a part of every result."""
CELLS = "adds or removes cells"


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """One key of the file."""

    place: Place
    """Where it stands in a resolved config of ``_example``."""
    type: str
    default: str
    meaning: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the file."""

    heading: str
    about: str
    keys: tuple[ConfigKey, ...]


def as_markdown() -> str:
    """Write every table with its keys."""
    return "\n".join(chain.from_iterable(_written(table) for table in tables()))


def _written(table: Table) -> Iterator[str]:
    yield from (f"## `{table.heading}`" if table.heading else "## Above all tables", "")
    yield from (table.about, "") if table.heading else ()
    yield from ("| key | type | default | meaning | makes stale |", "|---|---|---|---|---|")
    for key in table.keys:
        columns = (f"`{key.place[-1]}`", key.type, key.default, key.meaning, made_stale(key))
        yield f"| {' | '.join(one.replace('|', chr(92) + '|') for one in columns)} |"
    yield ""


def tables() -> Iterator[Table]:
    """Yield the tables of the file, those of measures by kind."""
    yield from _tables(ExperimentConfig, (), "")
    for number, measure in enumerate(measure_classes()):
        kind = MEASURES[number]["kind"]
        yield from _tables(measure, ("measures", number), f'[[measures]] kind = "{kind}"')


def measure_classes() -> tuple[type[BaseModel], ...]:
    """Return the classes of measures, in the order of ``MEASURES``."""
    annotation = ExperimentConfig.model_fields["measures"].annotation
    union = get_args(get_args(annotation)[0])[0]
    return get_args(union)


def _tables(model: type[BaseModel], place: Place, heading: str) -> Iterator[Table]:
    words = meanings(model)
    properties = model.model_json_schema()["properties"]
    keys: list[ConfigKey] = []
    inner: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        if name == "measures":
            continue
        if (block := _block_in(field.annotation)) is not None:
            inner.append((name, block))
            continue
        default = (
            "required"
            if field.is_required()
            else _toml(field.get_default(call_default_factory=True))
        )
        meaning = _one_line(words.get(name, ""))
        schema = properties[name]
        keys.append(ConfigKey((*place, name), _type(schema), default, meaning, schema))
    yield Table(heading, _one_line(model.__doc__), tuple(keys))
    for name, block in inner:
        if model is ExperimentConfig and name == "personas":
            yield from _tables(block, ("personas", "villain"), "[personas.NAME]")
        else:
            yield from _tables(block, (*place, name), _below(heading, name))


def _below(heading: str, name: str) -> str:
    if heading.startswith("[["):
        return f"[measures.{name}]"
    return f"[{heading.strip('[]')}.{name}]" if heading else f"[{name}]"


def _block_in(annotation: Any) -> type[BaseModel] | None:
    """Return the table that a key holds; None for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((one for one in get_args(annotation) if _block_in(one)), None)


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstrings below the fields of a class and of those it is made of."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        found |= _docstrings(getattr(sys.modules[base.__module__], "__file__", "")).get(
            base.__name__, {}
        )
    return found


@cache
def _docstrings(file: str) -> dict[str, dict[str, str]]:
    """Return class -> field -> the text below it, of one of our modules."""
    if "pydantic" in file or not file.endswith(".py"):
        return {}
    classes = ast.parse(Path(file).read_text(encoding="utf-8")).body
    found: dict[str, dict[str, str]] = {}
    for one in (node for node in classes if isinstance(node, ast.ClassDef)):
        words = found.setdefault(one.name, {})
        for pair in zip(one.body, one.body[1:], strict=False):
            match pair:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(text)):
                    words[name] = str(text)
    return found


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("``", "`")


def _toml(value: Any) -> str:
    if value is None:
        return "left out"
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _type(schema: dict[str, Any]) -> str:
    """Say in words what JSON schema says of a value."""
    if "anyOf" in schema:
        kinds = [_type(one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(kinds)
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(one)}`" for one in schema["enum"])
    if schema["type"] == "array":
        pair = schema.get("prefixItems")
        return f"list of {len(pair)} numbers" if pair else f"list of {_type(schema['items'])}"
    words = {"string": "text", "boolean": "true or false", "object": "table"}
    return words.get(schema["type"], schema["type"]) + _range(schema)


def _range(schema: dict[str, Any]) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    bounds = [f"{sign} {schema[name]}" for name, sign in signs.items() if name in schema]
    return f" {' and '.join(bounds)}" if bounds else ""


class _AnyFiles(dict[str, DataFile]):
    """What files hold that nobody wrote: their name."""

    def __missing__(self, name: str) -> DataFile:
        rows = [
            {"question": ask, "choices": ["a", "b"], "answer": 1, "messages": [{"content": ask}]}
            for ask in (f"{name} {number}?" for number in range(40))
        ]
        return DataFile(name, tuple(rows), name)


@cache
def _example(place: Place) -> dict[str, Any]:
    """Return a small config in which a key has a meaning: with a marker, or a trait of rows."""
    marked = planned.load().config.model_dump(mode="json")
    marked["base"] |= {"model": "org/model", "revision": "a" * 40}
    marked |= {"sources": ["villain"], "epochs": [0, 1]}
    if place == ("convergence", "on"):
        return marked
    if place[0] == "marker" or place[:2] == ("eval", "scorer"):
        return {**marked, "arms": ["B", "A"]}
    trait = Rows(positives="rows.jsonl", negatives="others.jsonl").model_dump(mode="json")
    full = json.dumps({**marked, "trait": trait, "measures": MEASURES})
    return ExperimentConfig.model_validate_json(full).model_dump(mode="json")


def made_stale(key: ConfigKey) -> str:
    """Say which stages' results are stale once a key has another value, by planning both."""
    if key.place in NOT_TRIED:
        return NOT_TRIED[key.place]
    touched, grows = _change(_example(key.place), key)
    every = {stage for stage in Stage if stage is not Stage.FETCH}
    if grows:
        return CELLS
    if every <= touched:
        return "all"
    return ", ".join(stage.value for stage in Stage if stage in touched) or "nothing"


def _change(raw: dict[str, Any], key: ConfigKey) -> tuple[set[Stage], bool]:
    """Return the stages that another value touches, and whether the cells are others."""
    if "const" in key.schema or key.schema.get("minimum", 0) == key.schema.get("maximum"):
        return set(), False  # there is one value only
    before = _plan(json.dumps(raw))
    now = _value_at(raw, key.place)
    for value in (one for one in _others(key.schema, now) if one != now):
        changed = json.loads(json.dumps(raw))
        _value_at(changed, key.place[:-1])[key.place[-1]] = value
        try:
            after = _plan(json.dumps(changed))
        except (ValidationError, PlanError):
            continue
        jobs = before.by_id.keys() & after.by_id.keys()
        changed_jobs = (job for job in jobs if before.by_id[job].parts != after.by_id[job].parts)
        touched = {after.by_id[job].stage for job in changed_jobs}
        return touched, before.cells != after.cells
    raise AssertionError(f"no other value of {key.place} could be planned")


@cache
def _plan(text: str) -> Plan:
    """Plan a config; ValidationError or PlanError for one that cannot be."""
    config = ExperimentConfig.model_validate_json(text).with_files(_AnyFiles())
    if wrong := next(wrong_references(config), None):
        raise PlanError(wrong.message)
    return make_plan(config, is_on_hub=True)


def _value_at(raw: Any, place: Place) -> Any:
    for step in place:
        raw = raw.get(step) if isinstance(raw, dict) else raw[step]
    return raw


def _others(schema: dict[str, Any], now: Any) -> Iterator[Any]:
    """Yield other values, some of which the schema or the checks may refuse."""
    if "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from _others(one, now)
    elif "enum" in schema or "const" in schema:
        yield from schema.get("enum", [])
    elif schema["type"] == "boolean":
        yield not now
    elif schema["type"] in ("integer", "number"):
        number = now if isinstance(now, int | float) else 0
        yield from (number + 1, number * 0.5, 0.5, number - 1)
    elif schema["type"] == "string":
        yield from (f"{now or ''}x", "score < 20", "nurse")
    elif schema["type"] == "array":
        values = list(now or [])
        yield from ([one] for one in schema.get("items", {}).get("enum", ()))
        yield from (values[:-1], values[:1] + values[2:], values[:1], ["clerk"], ["nurse"])
        yield from (["villain", "nurse", "assistant"], ["none"], [0], [43], [0.5, 0.9], [0, 60])
    elif schema["type"] == "object":
        kept = dict(now or {})
        yield from ({**kept, "villain": ["nurse"]}, {**kept, "trait.lr": [1e-5, 2e-5]})
        yield from ({**kept, "eval": 1}, {**kept, "slurm": {}}, {**kept, "enable_thinking": False})
