"""The run card's lines on machines, time, versions, commands and records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuilab.grid.text import duration
from tuilab.report.card_fields import Field, command_line, tell
from tuilab.report.finished_jobs import Effort, Ran

Stages = Mapping[str, Sequence[Ran]]
_FEW_RUNS = 3


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What no single attempt tells."""

    tracker: str = ""
    """Configured tracker; "" when unknown."""
    home: str = ""
    """Home folder, shown as ~."""
    effort: Effort | None = None
    commands: Sequence[Sequence[str]] = ()
    """Commands of accepted requests, oldest first."""
    sizes: str = ""
    """n per cell in words, as measured."""
    origin: Mapping[str, str] | None = None
    """What a table of results says of itself; None for an experiment that ran here."""


def compute(ran: Sequence[Ran], around: Surroundings) -> list[Field]:
    """Hardware, wall time, device hours per stage with what was spent in vain."""
    devices = [
        f"{device.get('kind')} {device.get('name')}"
        for one in ran
        for device in one.outcome.environment.get("devices", ())
    ]
    hosts = [one.outcome.environment.get("host") for one in ran]
    wall = [(one.outcome.started_at, one.outcome.finished_at) for one in ran]
    seconds = max(end for _, end in wall) - min(start for start, _ in wall) if wall else 0.0
    return [
        Field("Compute", "Hardware", tell(dict.fromkeys(devices))),
        Field("Compute", "Hosts", ", ".join(sorted({str(host) for host in hosts if host}))),
        Field("Compute", "Wall time", f"{duration(seconds)} from first to last" if wall else ""),
        Field("Compute", "Device hours per stage", _hours(ran)),
        Field("Compute", "Attempts", _attempts(around.effort) if ran else ""),
    ]


def _hours(ran: Sequence[Ran]) -> str:
    spent: dict[str, float] = defaultdict(float)
    for one in ran:
        devices = len(one.outcome.environment.get("devices", ())) or 1
        spent[one.stage] += one.outcome.seconds * devices / 3600
    if not spent:
        return ""
    told = ", ".join(f"{stage} {hours:.3f}" for stage, hours in spent.items())
    return f"{told}; {sum(spent.values()):.3f} in all"


def _attempts(effort: Effort | None) -> str:
    if effort is None:
        return ""
    vain = f"; {effort.vain_seconds / 3600:.3f} h went into attempts without a result"
    return f"{effort.done} with a result of {effort.started} started" + vain * (
        effort.done < effort.started
    )


def environment(ran: Sequence[Ran], around: Surroundings) -> list[Field]:
    """Python and libraries as imported, whose code it was, and the commands."""
    return [
        Field("Environment", "Python", tell(o.outcome.environment.get("python") for o in ran)),
        Field("Environment", "Libraries as imported", _libraries(ran)),
        Field("Environment", "Git commit", tell(_commit(one) for one in ran)),
        Field("Environment", "Dirty diff", tell(_dirty(one) for one in ran)),
        Field("Environment", "Code snapshot", tell(one.launch.get("code") for one in ran)),
        Field("Environment", "Launch command", _commands(ran, around)),
        Field("Environment", "Runner command", tell(_runner(one, around.home) for one in ran)),
    ]


def _libraries(ran: Sequence[Ran]) -> str:
    found: dict[str, list[Any]] = defaultdict(list)
    for one in ran:
        for name, version in one.outcome.environment.get("libraries", {}).items():
            found[name].append(version)
    return ", ".join(f"{name} {tell(versions)}" for name, versions in sorted(found.items()))


def _commit(one: Ran) -> str | None:
    """Outside a checkout the release and the kept code say what ran; that is no empty field."""
    commit, code = one.launch.get("git_commit"), one.launch.get("code")
    if commit or not code:
        return str(commit) if commit else None
    release = one.launch.get("tuilab")
    return f"no checkout: {f'tuilab {release} and ' if release else ''}the code snapshot"


def _dirty(one: Ran) -> str | None:
    diff = one.launch.get("dirty_diff")
    if diff:
        return f"sha256 {diff}; the code snapshot holds the files themselves"
    if one.launch.get("git_commit"):
        return "none"
    return "no checkout" if one.launch.get("code") else None


def _commands(ran: Sequence[Ran], around: Surroundings) -> str:
    """What people typed: the accepted requests, else what started the engine."""
    typed = [command_line(words, around.home) for words in around.commands]
    if typed:
        return "; then ".join(dict.fromkeys(typed))
    started = [one.launch.get("asked") or one.launch.get("argv") for one in ran]
    return tell(command_line(words, around.home) for words in started if words)


def _runner(one: Ran, home: str) -> str | None:
    return command_line(one.outcome.environment.get("argv", ())[:3], home) or None


def _tracker_runs(runs: Iterable[str | None]) -> str:
    """Each run where they are few; a grid has one per attempt, and their ids are in its files."""
    found = sorted({run for run in runs if run})
    if len(found) <= _FEW_RUNS:
        return tell(found)
    projects = tell(sorted({run.rpartition("/")[0] for run in found}))
    return f"{len(found)} runs in {projects}; ids in outcome.json (environment.tracker_run)"


def records(ran: Sequence[Ran], of: Stages, around: Surroundings) -> list[Field]:
    """Tracker runs and where the raw completions are."""
    tracked = _tracker_runs(one.outcome.environment.get("tracker_run") for one in ran)
    if not tracked and around.tracker == "none":
        tracked = "none configured; events.jsonl of every attempt is the record"
    place = "jobs/eval/.../attempt-N/completions.jsonl.gz, in the bundle under cells/eval/"
    return [
        Field("Records", "Tracker runs", tracked),
        Field("Records", "Raw completions", place if of["eval"] else ""),
    ]
