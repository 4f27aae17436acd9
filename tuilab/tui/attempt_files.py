"""Reads what one attempt left on disk, for the cell screen; slow: called off the event loop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuilab.contract.report import EVENTS_FILE, Event, Outcome, read_outcome
from tuilab.contract.spec import SPEC_FILE, SpecError, read_spec
from tuilab.contract.tail import JsonlFollower
from tuilab.grid.jobs import Plan
from tuilab.grid.states import Attempt, State
from tuilab.store.layout import Layout
from tuilab.tui.present.completions_text import Completion, Questions

if TYPE_CHECKING:
    from tuilab.store.reader import Reader

POINTS = 2000
"""Points per series that are kept; older ones are thinned."""
Series = dict[str, list[tuple[float, float | None]]]


@dataclass(frozen=True, slots=True)
class Artefact:
    """One file that the outcome lists, and whether it lies there."""

    path: str
    size: int
    sha256: str
    found: str
    """``ok``, ``missing``, or how its size differs."""


@dataclass(frozen=True, slots=True)
class AttemptFiles:
    """What an attempt left."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    outcome: Outcome | None = None
    artefacts: tuple[Artefact, ...] = ()
    series: Series = field(default_factory=dict)
    """Metric name to (step, value); None where the runner reported no finite number."""
    problem: str = ""
    """What could not be read."""


class AttemptWatch:
    """Reads one attempt; events are followed by byte offset."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._events = JsonlFollower(directory / EVENTS_FILE, kind=Event)
        self._series: Series = {}

    def look(self) -> AttemptFiles:
        """Return the attempt as it is now."""
        problem = ""
        try:
            outcome = read_outcome(self.directory)
        except (OSError, ValueError) as error:
            outcome, problem = None, str(error)
        for event in self._events.read():
            self._take(event)
        return AttemptFiles(
            settings=read_settings(self.directory),
            outcome=outcome,
            artefacts=_artefacts(self.directory, outcome),
            series={name: list(points) for name, points in self._series.items()},
            problem=problem,
        )

    def _take(self, event: Mapping[str, Any]) -> None:
        kind, step = event.get("kind"), _number(event.get("step"))
        if step is None:
            return
        if kind == "progress" and "rate" in event and event["rate"] is not None:
            self._add("rate", step, event["rate"])
        elif kind == "metric":
            for name, value in event.items():
                if name not in ("seq", "at", "t", "kind", "step"):
                    self._add(name, step, value)

    def _add(self, name: str, step: float, value: Any) -> None:
        points = self._series.setdefault(name, [])
        points.append((step, _number(value)))
        if len(points) > POINTS:
            del points[1 : POINTS // 2 : 2]


def read_settings(directory: Path) -> Mapping[str, Any]:
    """Return the settings that an attempt really ran with; {} when its spec cannot be read."""
    try:
        return read_spec(directory / SPEC_FILE).settings
    except SpecError:
        return {}


def _artefacts(directory: Path, outcome: Outcome | None) -> tuple[Artefact, ...]:
    if outcome is None:
        return ()
    return tuple(
        Artefact(one.path, one.size, one.sha256, _found(directory / one.path, one.size))
        for one in outcome.artefacts
    )


def _found(path: Path, size: int) -> str:
    try:
        there = path.stat().st_size
    except OSError:
        return "missing"
    return "ok" if there == size else f"has {there} bytes"


def _number(raw: Any) -> float | None:
    is_number = isinstance(raw, int | float) and math.isfinite(raw)
    return float(raw) if is_number else None


@dataclass(frozen=True, slots=True)
class Sampling:
    """The attempt of an eval whose completions are shown, as the last picture has it."""

    job: str
    attempt: int
    state: State
    """When it changes, the attempt may have left completions meanwhile."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one attempt left."""

    rows: Sequence[Completion] = ()
    marker: str = ""
    """"" when neither its spec nor the plan says."""
    questions: Questions = field(default_factory=dict)
    problem: str = ""
    """Why they cannot be read."""


def read_completions(reader: Reader | None, wanted: Sampling, attempt: Attempt | None) -> Found:
    """Return the completions with what they answer; no rows when there are none."""
    from tuilab.store.measurements import completions_of

    if attempt is None or reader is None:
        return Found()
    try:
        rows, problem = list(completions_of(reader, wanted.job, wanted.attempt)), ""
    except (OSError, ValueError) as error:
        rows, problem = [], f"the completions cannot be read: {error}"
    settings = settings_of(reader.layout, reader.plan, wanted.job, wanted.attempt)
    return Found(rows, marker_of(settings), questions_of(settings), problem)


def settings_of(layout: Layout, plan: Plan | None, job: str, attempt: int) -> Mapping[str, Any]:
    """Return what an attempt really ran with, otherwise what the plan has for the job.

    Attempt 0 is none; {} where nothing is known.
    """
    found = read_settings(layout.attempt_dir(job, attempt)) if attempt else {}
    planned = plan.by_id.get(job) if plan is not None else None
    return found or (plan.settings.get(planned.settings, {}) if plan and planned else {})


def questions_of(settings: Mapping[str, Any]) -> Questions:
    """Return what an eval asks by set, in the order of ``question_index``."""
    sets = settings.get("sets")
    blocks = {"": settings, **(sets if isinstance(sets, Mapping) else {})}
    found = {name: one.get("questions") for name, one in blocks.items() if isinstance(one, Mapping)}
    return {name: one for name, one in found.items() if isinstance(one, list | tuple)}


def marker_of(settings: Mapping[str, Any]) -> str:
    """Return the text that an eval counts; "" where its settings name none."""
    for block in ("scorer", "marker"):
        found = settings.get(block)
        if isinstance(found, Mapping) and found.get("text"):
            return str(found["text"])
    return ""
