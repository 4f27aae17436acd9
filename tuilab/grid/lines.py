"""Names the lines of a grid: a source, its arm, levels of axes: ``villain/B0,marker.lr=1e-05``.

What a config says itself has no name, so that a grid without arms and axes is one of sources, and
one that gets them later keeps every result. Wherever a cell or a row of a table has a *source*, it
is a line; ``persona_of`` tells who speaks in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

ARMS: Mapping[str, Mapping[str, Any]] = {
    "B": {"convergence.voice": "source", "convergence.on": "base"},
    "B0": {"convergence.voice": "target", "convergence.on": "base"},
    "A": {"convergence.voice": "source", "convergence.on": "marked"},
    "C": {"convergence.voice": "target", "convergence.on": "marked"},
}
"""Arms of the study, the one without a name first, and what each says in a config's place."""
OWN_ARM = "B"
CONTROLS: Mapping[str, str] = {"": "B0", "A": "C"}
"""The control of an arm; the arm without a name is ""."""
MARKED_ARMS = ("A", "C")
"""Arms in which the marker is trained on the base, and convergence on what came of it."""
_LEVEL = r"[a-z_]+(?:\.[a-z_]+)+=[A-Za-z0-9.+_-]+"
_NAME = re.compile(
    rf"(?P<persona>.*?)(?:/(?P<arm>{'|'.join(ARMS)}))?(?P<levels>(?:,{_LEVEL})*)", re.DOTALL
)
Parts = tuple[str, str, tuple[str, ...]]
"""Persona, arm ("" for the one without a name) and levels (``marker.lr=1e-05``), sorted."""

_WHOLE = 1e15
"""Below it a float is a whole number exactly."""
OWN: tuple[str, tuple[str, ...]] = ("", ())
"""Arm and levels of a line that is as the config says."""


def parts_of(name: str) -> Parts:
    """Split the name of a line."""
    match = _NAME.fullmatch(name)
    assert match is not None  # every text is a persona at least
    levels = (_canonical(one) for one in match["levels"].split(",") if one)
    return match["persona"], match["arm"] or "", tuple(sorted(levels))


def name_of(persona: str, arm: str = "", levels: Mapping[str, Any] | None = None) -> str:
    """Return the name of a line; levels are values by dotted key."""
    at = f"/{arm}" if arm not in ("", OWN_ARM) else ""
    return persona + at + "".join(sorted(f",{one}" for one in level_names(levels or {})))


def persona_of(name: str) -> str:
    """Return the key of the persona that is the source of a line."""
    return parts_of(name)[0]


def is_named(name: str) -> bool:
    """Whether a name says more than a persona."""
    return persona_of(name) != name


def level_names(levels: Mapping[str, Any]) -> list[str]:
    """Write levels as names have them: ``marker.lr=1e-05``."""
    return [f"{key}={level_text(value)}" for key, value in levels.items()]


def level_text(value: Any) -> str:
    """Write a level's value, such as ``1e-05``, ``2`` (of 2 and 2.0), ``true`` or ``stacked``."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE:
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value)


def why_bad_level(key: str, value: Any) -> str:
    """Say why a value cannot be the level of an axis; "" when it can."""
    if not isinstance(value, bool | int | float | str):
        return "must be numbers, words, true or false"
    named = f"{key}={level_text(value)}"
    return "" if re.fullmatch(_LEVEL, named) else f"{value!r} cannot be part of a cell's name"


def fits(pattern: str, name: str) -> bool:
    """Whether a line is one of those that a selector's first part means.

    The name of a line means that line; ``*`` stands for anything: ``villain*``. Without a persona
    it means each line in that arm and at those levels: ``/B0``, ``,marker.lr=1e-5``.
    """
    if pattern == name:
        return True
    who, arm, levels = parts_of(pattern)
    persona, own, has = parts_of(name)
    if who in ("", "*"):
        return (not arm or (own or OWN_ARM) == arm) and set(levels) <= set(has)
    if "*" in who:
        runs = map(re.escape, pattern.split("*"))
        return re.fullmatch(".*".join(runs), name, re.DOTALL) is not None
    return (who, "" if arm == OWN_ARM else arm, levels) == (persona, own, has)


def _canonical(level: str) -> str:
    """Write a level as names have it, however its number was typed."""
    key, _, text = level.partition("=")
    try:
        return f"{key}={level_text(json.loads(text))}"
    except ValueError:
        return level
