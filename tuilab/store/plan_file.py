"""Reads and writes plan.json; the only place that knows its shape."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from tuilab.contract import atomic
from tuilab.contract.parsing import loads, open_plain, read_bytes, typed
from tuilab.grid.fingerprint import Parts
from tuilab.grid.jobs import PARTS_SCHEMA, PLAN_SCHEMA, Job, JobTable, Kind, Plan, even
from tuilab.grid.settings_table import SettingsTable
from tuilab.grid.stages import Stage
from tuilab.store.installed_code import sources_digest
from tuilab.store.layout import Layout
from tuilab.store.program_name import program, quoted

_MOST_BYTES = 1 << 30
_TABLES = b',\n"tables": {\n'
_JOBS = b',\n"jobs": [\n'
"""Stand between the head of the file, a value in each line, and its tables (before schema 3: its
jobs, one in each line)."""
_BEHIND = (b'"tables": ', b'"jobs": ')
_FIRST = b'{"schema": '
_SHARED = "$shared"
"""Before schema 3: refers to a long value, which was stored once."""


class PlanFileError(Exception):
    """plan.json cannot be used; the text says why and what to do."""


class NewerPlanError(PlanFileError):
    """plan.json is whole and a newer program's: nothing here may replace it."""


class PlanFile(NamedTuple):
    """A plan with what its file says beside it."""

    plan: Plan
    config_digest: str
    """sha256 of the experiment.toml that the plan was made of; "" when there was none."""
    sources_digest: str = ""
    """Hash of the runners' source text that it was made with; "" before 0.2.1."""


def save_plan(layout: Layout, plan: Plan, config: str | None = None) -> None:
    """Write plan.json; what it was made of, experiment.toml and the runners, is kept as hashes.

    ``config`` is the ``config_digest`` of the text that it was made of, by default the one there.
    """
    config = config_digest(layout) if config is None else config
    head = {
        field.name: getattr(plan, field.name)
        for field in fields(Plan)
        if field.name not in ("jobs", "schema", "settings")
    }
    head |= _learned(plan)
    parts = [json.dumps(name) + ": " + _compact(value) for name, value in sorted(head.items())]
    parts.insert(0, f'"schema": {plan.schema}')
    parts.append(f'"config_digest": {_compact(config)}')
    parts.append(f'"sources_digest": {_compact(sources_digest())}')
    tables = ",\n".join(f"{json.dumps(name)}: {text}" for name, text in _tables(plan))
    text = "{" + ",\n".join(parts) + _TABLES.decode() + tables + "}}\n"
    atomic.write_bytes(layout.plan, text.encode())


def write_learned(layout: Layout, plan: Plan) -> None:
    """Say in plan.json what a fetched base tells: its commit, and times by its size.

    All else stays byte for byte; a file that somebody has formatted anew is written whole.
    """
    told = _learned(plan)
    content = read_bytes(layout.plan, _MOST_BYTES)
    head = _head(content)
    if not content.startswith(_FIRST) or head == content:
        whole = {**typed(loads(content), dict), **told}
        atomic.write_bytes(layout.plan, json.dumps(whole, indent=1).encode())
        return
    starts = tuple(f"{json.dumps(name)}: ".encode() for name in told)
    lines = [line for line in head.split(b"\n") if not line.startswith(starts)]
    lines[1:1] = [f"{json.dumps(name)}: {_compact(one)},".encode() for name, one in told.items()]
    atomic.write_bytes(layout.plan, b"\n".join(lines) + content[len(head) :])


def _learned(plan: Plan) -> dict[str, Any]:
    rates = plan.rates and asdict(plan.rates)
    return {"commits": dict(plan.commits), "rates": rates, "estimates": dict(plan.estimates)}


def _head(content: bytes) -> bytes:
    """Return what stands before the tables, without the brace that closes it."""
    return content.partition(_TABLES)[0].partition(_JOBS)[0]


def load_plan(root: Path) -> Plan:
    """Read an experiment's plan; PlanFileError (what to do next) if it is missing or broken."""
    return load_plan_file(root).plan


def load_plan_file(root: Path) -> PlanFile:
    """Like ``load_plan``, with the digest of the config that it was made of."""
    path = Layout(root).plan

    def unusable(why: str) -> PlanFileError:
        remedy = f"run `{program()} plan {quoted(root)}` to make it again from experiment.toml"
        return PlanFileError(f"{path} {why}: {remedy}")

    try:
        raw = typed(loads(read_bytes(path, _MOST_BYTES)), dict)
    except FileNotFoundError:
        raise unusable("is missing") from None
    except OSError as error:
        raise unusable(f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise unusable(f"is damaged ({error})") from error
    schema = raw.get("schema")
    if isinstance(schema, int) and schema > PLAN_SCHEMA:
        raise NewerPlanError(
            f"{path} has schema {schema}, newer than this program's {PLAN_SCHEMA}: update tuilab"
        )
    try:
        plan = _plan_from_json(raw)
    except KeyError as error:
        raise unusable(f"is damaged (lacks {error})") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise unusable(f"is damaged ({error})") from error
    return PlanFile(plan, str(raw.get("config_digest", "")), str(raw.get("sources_digest", "")))


def planned_digest(layout: Layout, name: str = "config_digest") -> str:
    """Return a digest of what plan.json was made of, as in ``PlanFile``, without its jobs."""
    start = f"{json.dumps(name)}: ".encode()
    try:
        with open_plain(layout.plan) as file:
            for line in takewhile(lambda line: not line.startswith(_BEHIND), file):
                if line.startswith(start):
                    return typed(loads(line[len(start) :].rstrip(b",\n")), str)
    except (OSError, ValueError):
        return ""
    return ""


def is_other_config(layout: Layout, planned: str) -> bool:
    """Whether experiment.toml is not the one with this digest any more.

    One that is missing counts as unchanged: the plan says all that a run needs.
    """
    now = config_digest(layout)
    return bool(now and planned) and now != planned


def config_problem(layout: Layout, planned: str) -> str:
    """Say that experiment.toml is not the one with this digest any more; "" when it is."""
    if not is_other_config(layout, planned):
        return ""
    from tuilab.grid import toml

    try:
        toml.loads(read_bytes(layout.config).decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        return f"experiment.toml cannot be read: {error}; until it is fixed the old plan holds"
    command = f"`{program()} run {quoted(layout.root)} --dry-run`"
    return f"experiment.toml has changed since this grid was planned: {command} shows what for"


def config_digest(layout: Layout) -> str:
    """Return the sha256 of experiment.toml's bytes; "" when it is missing or unreadable."""
    try:
        return hashlib.sha256(read_bytes(layout.config)).hexdigest()
    except (OSError, ValueError):
        return ""


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _tables(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the tables of the settings and of the jobs as JSON, column by column."""
    kept = plan.settings
    settings = kept if isinstance(kept, SettingsTable) else SettingsTable(kept)
    yield "values", "[" + ",\n".join(map(_compact, settings.kept)) + "]"
    groups = settings.groups.values()
    columns = [{name: _column(one) for name, one in group.columns.items()} for group in groups]
    rows = [[group.keys, found] for group, found in zip(groups, columns, strict=True)]
    yield "settings", "[" + ",\n".join(map(_compact, rows)) + "]"
    jobs = plan.table
    yield "kinds", "[" + ",\n".join(map(_compact, jobs.kinds)) + "]"
    yield "epochs", _compact(jobs.epochs)
    yield "seeds", _compact(jobs.seeds)
    yield "recipes", _compact(jobs.recipes.keys)
    yield "parts", _compact(list(jobs.recipes.settings))
    yield "code_and_base", _compact(jobs.recipes.beside)
    yield "of_parts", _compact(_column(jobs.recipes.of_beside))
    for name in _OF_JOBS:
        yield name, _compact(_column(getattr(jobs, name)))
    yield "prints", _compact(list(jobs.prints))


_OF_JOBS = ("of_kind", "of_epoch", "of_seed", "of_recipe")


def _column(found: array[int]) -> str | int:
    """Return a column as one text; one number where all rows have the same."""
    is_one = len(found) > 1 and found.count(found[0]) == len(found)
    return found[0] if is_one else " ".join(map(str, found))


def _extern(
    lean: Mapping[str, Mapping[str, Any]], shared: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Put shared values back; KeyError when one is missing."""

    def whole(value: Any) -> Any:
        if isinstance(value, dict) and len(value) == 1 and _SHARED in value:
            return shared[value[_SHARED]]
        return value

    return {
        key: {name: whole(value) for name, value in values.items()} for key, values in lean.items()
    }


def _plan_from_json(raw: dict[str, Any]) -> Plan:
    """Take the plan out of what its file holds: both at once would be twice as large."""
    settings: Mapping[str, Mapping[str, Any]]
    if raw.get("schema", 1) >= PLAN_SCHEMA:
        tables = raw.pop("tables")
        settings = _settings_of(tables)
        jobs = _jobs_of(tables, settings)
    else:
        settings = _extern(raw["settings"], raw.get("shared", {}))
        jobs = _jobs_from_json(raw["jobs"])
        if lacking := set(jobs.recipes.keys).difference(settings):
            raise ValueError(f"there are no settings {sorted(lacking)[0]!r}")
    resources = dict(raw["resources"])
    # Until 0.2 the estimates stood among the resources, where they made plans of one grid differ.
    older = {"estimates": resources.pop("estimates")} if "estimates" in resources else {}
    head = typed({**older, **raw, "resources": resources, "settings": {}, "jobs": []}, Plan)
    schema = PLAN_SCHEMA if head.schema >= PARTS_SCHEMA else head.schema
    plan = replace(head, settings=settings, jobs=jobs, schema=schema)
    _check_order(jobs)
    return plan


def _check_order(jobs: JobTable) -> None:
    """Raise ValueError when a job is listed before what it depends on, or twice."""
    places = jobs.places
    if len(places) < len(jobs):
        again, _ = Counter(job.id for job in jobs).most_common(1)[0]
        raise ValueError(f"{again} is listed twice")
    for place, parent in jobs.links():
        if places.get(parent, place) >= place:
            name = jobs.ids[place]
            raise ValueError(f"{name} is listed before what it depends on")


def _settings_of(raw: dict[str, Any]) -> SettingsTable:
    table = SettingsTable()
    table.kept = typed(raw["values"], list)
    for keys, columns in raw.pop("settings"):
        names, most = _texts(keys), len(table.kept)
        table.take(names, {name: _array(one, len(names), most) for name, one in columns.items()})
    return table


def _jobs_of(raw: dict[str, Any], settings: SettingsTable) -> JobTable:
    jobs = JobTable()
    jobs.kinds = [_kind(*row) for row in raw["kinds"]]
    jobs.epochs = typed(raw["epochs"], list[int | None])
    jobs.seeds = typed(raw["seeds"], list[int | None])
    recipes = jobs.recipes
    # The same objects: 100,000 cells have as many keys.
    known = {key: key for key in settings}
    try:
        recipes.keys = [known[key] for key in _texts(raw.pop("recipes"))]
    except KeyError as error:
        raise ValueError(f"there are no settings {error}") from error
    parts = typed(raw.pop("parts"), list)
    if odd := set(map(type, parts)) - {str, type(None)}:
        raise ValueError(f"a column holds {odd.pop().__name__}, not text")
    if len(parts) != len(recipes.keys):
        raise ValueError("a column does not fit its table")
    recipes.settings = parts if None in parts else even(parts)
    recipes.beside = [(code, base) for code, base in map(_texts, raw["code_and_base"])]
    recipes.of_beside = _array(raw["of_parts"], len(recipes), len(recipes.beside))
    jobs.prints = even(_texts(raw.pop("prints")))
    kept: tuple[Sequence[Any], ...] = (jobs.kinds, jobs.epochs, jobs.seeds, jobs.recipes)
    for name, one in zip(_OF_JOBS, kept, strict=True):
        setattr(jobs, name, _array(raw.pop(name), len(jobs), len(one)))
    return jobs


def _kind(stage: Any, source: Any, parents: Any, checkpoints: Any, deviation: Any) -> Kind:
    if typed(deviation, str):
        typed(loads(deviation), dict)
    return Kind(
        typed(stage, Stage),
        typed(source, str),
        typed(parents, tuple[str, ...]),
        typed(checkpoints, tuple[int, ...]),
        deviation,
    )


def _texts(raw: Any) -> list[str]:
    """Read a list of texts; one at a time they would take a second."""
    if odd := set(map(type, typed(raw, list))) - {str}:
        raise ValueError(f"a column holds {odd.pop().__name__}, not text")
    return typed(raw, list)


def _array(raw: Any, rows: int, most: int) -> array[int]:
    """Read a column of indexes below ``most``."""
    try:
        found = array("I", [raw] * rows if isinstance(raw, int) else _numbers(raw))
    except OverflowError as error:
        raise ValueError(f"a column has an index out of range: {error}") from error
    if len(found) != rows or (rows and max(found) >= most):
        raise ValueError("a column does not fit its table")
    return found


def _numbers(raw: str) -> list[int]:
    """Read numbers with a space between; as JSON they take half the time."""
    if raw.strip("0123456789 "):
        raise ValueError("a column holds something else than indexes")
    found: list[int] = json.loads(f"[{raw.replace(' ', ',')}]")
    return found


def _jobs_from_json(rows: list[Mapping[str, Any]]) -> JobTable:
    """Read the jobs as they were written before schema 3."""
    stages = {stage.value: stage for stage in Stage}
    for name, kinds in _KINDS.items():  # a row at a time would cost seconds in a large plan
        if odd := {type(row[name]) for row in rows} - kinds:
            raise ValueError(f"a job's {name} is of the kind {odd.pop().__name__}")
    return JobTable(
        Job(
            stages[row["stage"]],
            row["source"],
            row["epoch"],
            row["seed"],
            tuple(row["parents"]),
            row["settings"],
            row["fingerprint"],
            row.get("deviation", _NO_EDITS),
            Parts(*row["parts"]) if "parts" in row else None,
            tuple(row.get("checkpoints", ())),
        )
        for row in rows
    )


_NO_EDITS: Mapping[str, Any] = {}
_KINDS: dict[str, set[type[Any]]] = {
    "source": {str},
    "epoch": {int, type(None)},
    "seed": {int, type(None)},
    "parents": {list},
    "settings": {str},
    "fingerprint": {str},
}
