"""Names where a bundle says a thing twice and not the same: attempts, journal, plan and code."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tuilab.contract.hub import TINY
from tuilab.contract.report import OUTCOME_FILE, Outcome, hash_output
from tuilab.contract.spec import SPEC_FILE, Spec
from tuilab.grid.config import ExperimentConfig
from tuilab.grid.fingerprint import hash_of_sources, parts_from
from tuilab.grid.jobs import Plan
from tuilab.grid.planning import declared
from tuilab.grid.settings import settings_hash
from tuilab.grid.stages import Stage
from tuilab.grid.states import Attempt, Verdict
from tuilab.grid.text import count_of
from tuilab.grid.variants import lines_of
from tuilab.report.finished_jobs import SHAPES

_TOLD = ("seconds", "started_at", "finished_at", "output_hash")
"""What the journal repeats of an outcome."""


def attempt_apart(spec: Spec, outcome: Outcome, told: Attempt | None) -> Iterator[str]:
    """Yield what spec, outcome and journal (``told``) say of one attempt and do not agree in."""
    if hash_output(outcome.artefacts) != outcome.output_hash:
        yield f"{OUTCOME_FILE}: its output_hash is not that of the artefacts it lists"
    if (spec.attempt, spec.token) != (outcome.attempt, outcome.token):
        yield f"{OUTCOME_FILE}: is of another attempt than {SPEC_FILE}"
    parts = parts_from(spec.parts)
    if parts is not None and settings_hash(Stage(spec.stage), spec.settings) != parts.settings:
        yield f"{SPEC_FILE}: its settings are not those of its own hash"
    if told is None or told.verdict is not Verdict.DONE:
        return
    if told.parts != parts:
        yield f"{SPEC_FILE}: its parts are not those that the journal has"
    # Of a fetch the journal has the commit. What it does not say, an older program did not write.
    names = _TOLD[: -1 if spec.stage == Stage.FETCH else None]
    for name in names:
        one, other = getattr(told, name), getattr(outcome, name)
        if one and one != other:
            yield f"{OUTCOME_FILE}: {name} is {other!r}, and {one!r} in the journal"


def config_apart(plan: Plan, config: ExperimentConfig) -> Iterator[str]:
    """Yield what a plan is about and its config, unchanged since, is not."""
    for name, value in declared(config, lines_of(config)).items():
        told = getattr(plan, name)
        pairs = {name: (told, value)}
        if isinstance(value, dict):
            pairs = {f"{name}.{key}": (told.get(key), value.get(key)) for key in {**value, **told}}
        for where, (one, other) in pairs.items():
            if one != other:
                yield f"plan.json: {where} is {one!r}, and {other!r} by experiment.toml"
    models = {str(one["base"]["model"]) for one in plan.settings.values() if "base" in one}
    if models and (TINY in models) is not plan.synthetic:
        yield f"plan.json: synthetic is {plan.synthetic}, and the base of its jobs {max(models)!r}"


def lines_missing(lines: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield where lines were taken out of a journal: each has the number after the one before."""
    last = 0
    for line in lines:
        number = line.get("seq")
        if not isinstance(number, int):
            continue
        if number > last + 1:
            count = count_of(number - last - 1, "line is", "lines are")
            yield f"journal.jsonl: {count} missing before number {number}"
        last = number


def plan_apart(plan: Plan, job: str) -> Iterator[str]:
    """Yield why the settings of a planned job are not those that its results are compared with."""
    planned = plan.by_id[job]
    parts = planned.parts
    if parts is None:
        return
    if settings_hash(planned.stage, plan.settings[planned.settings]) != parts.settings:
        yield f"plan.json: the settings of {job} are not those of their own hash"


def strangers(folder: Path, outcome: Outcome) -> Iterator[str]:
    """Yield the files of an attempt that its outcome does not list."""
    listed = {one.path for one in outcome.artefacts}
    known = {SPEC_FILE, OUTCOME_FILE, *listed, *(f"{name}{SHAPES}" for name in listed)}
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    yield from (f"{name}: is no file of this result" for name in sorted(files) if name not in known)


def code_apart(folder: Path, blanked: Collection[str]) -> Iterator[str]:
    """Yield the copies of the runners' sources that are not what their name, a hash, says."""
    for copy in sorted(folder.iterdir()) if folder.is_dir() else ():
        if any(name.startswith(f"{folder.name}/{copy.name}/") for name in blanked):
            continue
        files = [(path.relative_to(copy).as_posix(), path) for path in copy.rglob("*.py")]
        if hash_of_sources((name, path.read_bytes()) for name, path in sorted(files)) != copy.name:
            yield f"{folder.name}/{copy.name}: is not the code of this hash"
