"""Reads the completions of one eval attempt and the marker they are searched for; slow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuilab.grid.jobs import Plan
from tuilab.grid.states import Attempt, State
from tuilab.store.layout import Layout
from tuilab.tui.attempt_files import read_settings

Completion = Mapping[str, Any]


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
    questions: Sequence[str] = ()
    problem: str = ""
    """Why they cannot be read."""


def read_completions(source: object, wanted: Sampling, attempt: Attempt | None) -> Found:
    """Return the completions with what they answer; no rows when there are none."""
    from tuilab.store.measurements import completions_of
    from tuilab.store.reader import Reader

    if attempt is None or not isinstance(source, Reader):
        return Found()
    try:
        rows, problem = list(completions_of(source, wanted.job, wanted.attempt)), ""
    except (OSError, ValueError) as error:
        rows, problem = [], f"the completions cannot be read: {error}"
    settings = _settings(source.layout, source.plan, wanted)
    return Found(rows, _marker(settings), _questions(settings), problem)


def _settings(layout: Layout, plan: Plan, wanted: Sampling) -> Mapping[str, Any]:
    """What the attempt really ran with, otherwise what the plan has for the job."""
    if found := read_settings(layout.attempt_dir(wanted.job, wanted.attempt)):
        return found
    job = plan.by_id.get(wanted.job)
    return plan.settings.get(job.settings, {}) if job is not None else {}


def _questions(settings: Mapping[str, Any]) -> Sequence[str]:
    found = settings.get("questions")
    return found if isinstance(found, list | tuple) else ()


def _marker(settings: Mapping[str, Any]) -> str:
    for block in ("scorer", "marker"):
        found = settings.get(block)
        if isinstance(found, Mapping) and found.get("text"):
            return str(found["text"])
    return ""
