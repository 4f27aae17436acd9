"""Words a run card's field: one value as itself, several with their counts, none as empty."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any


@dataclass(frozen=True, slots=True)
class Field:
    """One line of the card."""

    section: str
    name: str
    value: str
    """"" when nothing on disk tells it."""


def empty_fields(card: Iterable[Field]) -> list[str]:
    """Return the names of the fields that nothing on disk tells."""
    return [f"{field.section}: {field.name}" for field in card if not field.value]


def empty_by_section(card: Sequence[Field]) -> list[str]:
    """Return one line per section with empty fields, short enough to be read."""
    lines = []
    for section, group in groupby(card, key=lambda field: field.section):
        fields = list(group)
        names = [field.name for field in fields if not field.value]
        if len(names) > 1 and len(names) == len(fields):
            lines.append(f"{section}: all {len(names)} fields")
        elif names:
            lines.append(f"{section}: {', '.join(names)}")
    return lines


def tell(values: Iterable[Any]) -> str:
    """One value as itself; several with their counts, commonest first; "" when nothing is known."""
    found = Counter(str(value) for value in values if value is not None and value != "")
    if len(found) <= 1:
        return next(iter(found), "")
    return "; ".join(f"{value} (x{count})" for value, count in found.most_common())


def phrase(template: str, **parts: Any) -> str | None:
    """Fill a template; None when any part is unknown, for half a field would hide the other half.

    A list or tuple without members is unknown too.
    """
    if any(part is None or part in ((), []) for part in parts.values()):
        return None
    return template.format(**parts)


def span(values: Iterable[Any], where: str = "each in its cell's record") -> str:
    """Up to three values as they are; more as their number and the place that names each."""
    found = sorted({value for value in values if value is not None and value != ""})
    if len(found) <= 3:
        return ", ".join(map(str, found))
    return f"{len(found)} different ones, {where}"


def command_line(words: Sequence[Any], home: str = "") -> str:
    """Write a command as it can be typed; programs by name, the home folder as ~."""
    shown = [str(word) for word in words]
    if shown and PurePosixPath(shown[0]).name.startswith("python"):
        shown[0] = PurePosixPath(shown[0]).name
        if len(shown) > 1 and PurePosixPath(shown[1]).name == "tuilab":
            shown = ["tuilab", *shown[2:]]
    if shown and shown[0].endswith("tuilab/engine/__main__.py"):
        shown = ["python", "-m", "tuilab.engine", *shown[1:]]
    if len(home) > 1:
        shown = [_under_home(word, home.rstrip("/")) for word in shown]
    return " ".join(word if word.startswith("~/") else shlex.quote(word) for word in shown)


def _under_home(word: str, home: str) -> str:
    return f"~{word[len(home) :]}" if word == home or word.startswith(f"{home}/") else word
