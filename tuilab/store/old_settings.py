"""Names the settings in which attempts differ from the plan; reads few specs for many cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tuilab.contract.spec import SPEC_FILE, SpecError, read_spec
from tuilab.grid.jobs import Job, Plan
from tuilab.grid.settings import Settings, settings_hash
from tuilab.grid.settings_apart import MARKER, differences, learned_in, place_of, told
from tuilab.grid.stages import Stage
from tuilab.grid.states import Attempt
from tuilab.store.layout import Layout

MOST_READ = 200
"""Specs read at most; results beyond them are stale too, and only the key is not named."""


class OldSettings:
    """Says of one plan's stale attempts which settings they were made with (an ``Explain``).

    Cells that differ in the same way are told alike: what one spec shows is tried on the next cell,
    and only a cell that it does not explain has its own spec read.
    """

    def __init__(self, layout: Layout, plan: Plan) -> None:
        self._layout = layout
        self._plan = plan
        self._known: dict[Stage, list[tuple[Mapping[str, Any], str]]] = {}
        self._read = 0

    def __call__(self, job: Job, attempt: Attempt) -> str:
        """Return ``eval.samples 10 → 20``; "" when the same, or when the spec tells nothing."""
        now = self._plan.settings.get(job.settings, {})
        if attempt.parts is not None:
            for old, words in self._known.get(job.stage, ()):
                if settings_hash(job.stage, {**now, **old}) == attempt.parts.settings:
                    return words
        if self._read >= MOST_READ:
            return ""
        self._read += 1
        try:
            then = read_spec(self._layout.attempt_dir(job.id, attempt.number) / SPEC_FILE).settings
        except SpecError:
            return ""
        words = named(job.stage, then, now, learned_in(self._plan.settings))
        self._known.setdefault(job.stage, []).append((_apart(then, now), words))
        return words


def named(stage: Stage, then: Settings, now: Settings, learned: str = MARKER) -> str:
    """Name what differs, by its config keys; "" for nothing."""
    apart = sorted(differences(stage, then, now, learned), key=lambda one: place_of(one[0]))
    return ", ".join(told(key, values) for key, values in apart)


def _apart(then: Settings, now: Settings) -> dict[str, Any]:
    names: Iterable[str] = dict.fromkeys([*then, *now])
    return {name: then.get(name) for name in names if then.get(name) != now.get(name)}
