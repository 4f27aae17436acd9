"""Reads and writes plan.json, one job per line; the only place that knows its shape."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tuilab.contract import atomic
from tuilab.contract.parsing import loads, read_bytes, typed
from tuilab.grid.fingerprint import Parts
from tuilab.grid.jobs import PLAN_SCHEMA, Job, Plan
from tuilab.grid.stages import Stage
from tuilab.store.layout import Layout
from tuilab.store.program_name import program, quoted

_MOST_BYTES = 1 << 30
_SHARED = "$shared"
_JOBS = b',\n"jobs": [\n'
"""Stands between the head of the file, a value in each line, and the jobs."""
_LONG = 100
"""Characters of JSON from which on a settings value is stored once and referred to."""


class PlanFileError(Exception):
    """plan.json cannot be used; the text says why and what to do."""


class NewerPlanError(PlanFileError):
    """plan.json is whole and a newer program's: nothing here may replace it."""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan with what its file says beside it."""

    plan: Plan
    config_digest: str
    """sha256 of the experiment.toml that the plan was made of; "" when there was none."""


def save_plan(layout: Layout, plan: Plan) -> None:
    """Write plan.json; the text of experiment.toml, when there, is remembered by its sha256."""
    head = {
        field.name: getattr(plan, field.name)
        for field in fields(Plan)
        if field.name not in ("jobs", "schema", "settings")
    }
    head["settings"], head["shared"] = _intern(plan.settings)
    parts = [json.dumps(name) + ": " + _compact(value) for name, value in sorted(head.items())]
    parts.insert(0, f'"schema": {plan.schema}')
    parts.append(f'"config_digest": {_compact(config_digest(layout))}')
    jobs = ",\n".join(_compact(_job_as_json(job)) for job in plan.jobs)
    text = "{" + ",\n".join(parts) + _JOBS.decode() + jobs + "\n]}\n"
    atomic.write_bytes(layout.plan, text.encode())


def write_commits(layout: Layout, commits: Mapping[str, str]) -> None:
    """Say in plan.json at which commits its bases were fetched; all else stays byte for byte."""
    head, jobs, rest = read_bytes(layout.plan, _MOST_BYTES).partition(_JOBS)
    lines = [line for line in head.split(b"\n") if not line.startswith(b'"commits": ')]
    lines.insert(1, f'"commits": {_compact(dict(commits))},'.encode())
    atomic.write_bytes(layout.plan, b"\n".join(lines) + jobs + rest)


def load_plan(root: Path) -> Plan:
    """Read an experiment's plan; PlanFileError (what to do next) if it is missing or broken."""
    return load_plan_file(root).plan


def load_plan_file(root: Path) -> PlanFile:
    """Like ``load_plan``, with the digest of the config that it was made of."""
    path = Layout(root).plan
    try:
        raw = typed(loads(read_bytes(path, _MOST_BYTES)), dict)
    except FileNotFoundError:
        raise PlanFileError(f"{path} is missing: {_remedy(root)}") from None
    except OSError as error:
        raise PlanFileError(f"{path} cannot be read ({error.strerror}): {_remedy(root)}") from error
    except ValueError as error:
        raise PlanFileError(f"{path} is damaged ({error}): {_remedy(root)}") from error
    schema = raw.get("schema")
    if isinstance(schema, int) and schema > PLAN_SCHEMA:
        raise NewerPlanError(
            f"{path} has schema {schema}, newer than this program's {PLAN_SCHEMA}: update tuilab"
        )
    try:
        plan = _plan_from_json(raw)
    except KeyError as error:
        raise PlanFileError(f"{path} is damaged (lacks {error}): {_remedy(root)}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise PlanFileError(f"{path} is damaged ({error}): {_remedy(root)}") from error
    return PlanFile(plan, str(raw.get("config_digest", "")))


def planned_digest(layout: Layout) -> str:
    """Return the digest of the config that plan.json was made of, without reading its jobs."""
    try:
        head, _, _ = read_bytes(layout.plan, _MOST_BYTES).partition(_JOBS)
        return str(typed(loads(head + b"}"), dict).get("config_digest", ""))
    except (OSError, ValueError):
        return ""


def config_problem(layout: Layout, planned: str) -> str:
    """Say that experiment.toml is not the one with this digest any more; "" when it is.

    One that is missing counts as unchanged: the plan says all that a run needs.
    """
    now = config_digest(layout)
    if not (now and planned) or now == planned:
        return ""
    try:
        tomllib.loads(read_bytes(layout.config).decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        return f"experiment.toml cannot be read: {error}; until it is mended the old plan holds"
    command = f"`{program()} run {quoted(layout.root)} --dry-run`"
    return f"experiment.toml has changed since this grid was planned: {command} shows what for"


def config_digest(layout: Layout) -> str:
    """Return the sha256 of experiment.toml's bytes; "" when it is missing or unreadable."""
    try:
        return hashlib.sha256(read_bytes(layout.config)).hexdigest()
    except (OSError, ValueError):
        return ""


def _remedy(root: Path) -> str:
    return f"run `{program()} plan {quoted(root)}` to make it again from experiment.toml"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _job_as_json(job: Job) -> dict[str, Any]:
    raw: dict[str, Any] = {
        "stage": job.stage.value,
        "source": job.source,
        "epoch": job.epoch,
        "seed": job.seed,
        "parents": job.parents,
        "settings": job.settings,
        "fingerprint": job.fingerprint,
    }
    if job.parts:
        raw["parts"] = [job.parts.settings, job.parts.code, job.parts.base]
    if job.checkpoints:
        raw["checkpoints"] = job.checkpoints
    if job.deviation:
        raw["deviation"] = dict(job.deviation)
    return raw


def _intern(
    settings: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Pull long values out of the settings: thousands of jobs share one panel of personas."""
    shared: dict[str, Any] = {}
    lean: dict[str, dict[str, Any]] = {}
    known: dict[int, Any] = {}  # by id: most values are one object in all settings that have them
    for key, values in settings.items():
        lean[key] = {}
        for name, value in values.items():
            if id(value) not in known:
                text = _compact(value)
                digest = hashlib.sha256(text.encode()).hexdigest()[:16]
                known[id(value)] = value if len(text) < _LONG else {_SHARED: digest}
                if len(text) >= _LONG:
                    shared[digest] = value
            lean[key][name] = known[id(value)]
    return lean, shared


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


def _plan_from_json(raw: Mapping[str, Any]) -> Plan:
    settings = _extern(raw["settings"], raw.get("shared", {}))
    plan = typed({**raw, "settings": settings, "jobs": _jobs_from_json(raw["jobs"])}, Plan)
    if lacking := {job.settings for job in plan.jobs} - settings.keys():
        raise ValueError(f"there are no settings {sorted(lacking)[0]!r}")
    return plan


def _jobs_from_json(rows: list[Mapping[str, Any]]) -> tuple[Job, ...]:
    """Build the jobs; ValueError when one comes before its parent or twice."""
    stages = {stage.value: stage for stage in Stage}
    for name, kinds in _KINDS.items():  # a row at a time would cost seconds in a large plan
        if odd := {type(row[name]) for row in rows} - kinds:
            raise ValueError(f"a job's {name} is of the kind {odd.pop().__name__}")
    seen: set[str] = set()
    jobs = []
    for row in rows:
        job = Job(
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
        name = job.id
        if name in seen:
            raise ValueError(f"{name} is listed twice")
        if not seen.issuperset(job.parents):
            raise ValueError(f"{name} is listed before what it depends on")
        seen.add(name)
        jobs.append(job)
    return tuple(jobs)


_NO_EDITS: Mapping[str, Any] = {}
_KINDS: dict[str, set[type[Any]]] = {
    "source": {str},
    "epoch": {int, type(None)},
    "seed": {int, type(None)},
    "parents": {list},
    "settings": {str},
    "fingerprint": {str},
}
