"""Moves what cannot be read out of the way, with the reason beside it; it deletes nothing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tuilab.contract import atomic
from tuilab.contract.parsing import read
from tuilab.store.layout import Layout

_WHY = ".why.json"


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One thing that was moved away."""

    path: Path
    """Where it lies now."""
    was: str
    """Where it lay, relative to the experiment."""
    why: str
    at: float
    """Unix time."""


def quarantine(layout: Layout, path: Path, why: str, now: float) -> Path | None:
    """Move ``path`` into ``quarantine/`` by rename and return its new place.

    None when it is no longer there. A link is moved, never followed.
    """
    place = _free_place(layout, path, now)
    try:
        path.rename(place)
    except FileNotFoundError:
        return None
    _record(layout, path, place, why, now)
    return place


def put_folders_away(layout: Layout, now: float) -> None:
    """Move whatever is in the place of a file that the engine writes, and is no file."""
    for path in (layout.engine, layout.folded):
        if path.is_dir():
            quarantine(layout, path, "is a folder, not a file", now)


def record_copy(layout: Layout, path: Path, why: str, now: float) -> Path:
    """Return the place in quarantine to which the caller copies a file that must stay for now."""
    place = _free_place(layout, path, now)
    _record(layout, path, place, why, now)
    return place


def set_aside(layout: Layout, path: Path, why: str, now: float) -> None:
    """Name a damaged file of an attempt, which keeps it; what is no plain file is moved away."""
    if path.is_symlink() or not path.is_file():
        quarantine(layout, path, why, now)
        return
    place = record_copy(layout, path, why, now)
    with suppress(OSError):  # a volume without hard links: the record alone names it
        place.hardlink_to(path)


def quarantined(layout: Layout) -> list[Quarantined]:
    """Return what lies in quarantine, oldest first; a record that is itself broken is named."""
    found = []
    for record in sorted(layout.quarantine.glob(f"*{_WHY}")):
        try:
            entry = read(record, Quarantined)
            entry = replace(entry, path=layout.quarantine / entry.path)
        except (OSError, ValueError):
            name = record.name.removesuffix(_WHY)
            entry = Quarantined(layout.quarantine / name, name, "its record is unreadable", 0.0)
        found.append(entry)
    return found


def _record(layout: Layout, path: Path, place: Path, why: str, now: float) -> None:
    was = path.relative_to(layout.root).as_posix()
    atomic.write_json(
        place.with_name(place.name + _WHY), {"path": place.name, "was": was, "why": why, "at": now}
    )


def _free_place(layout: Layout, path: Path, now: float) -> Path:
    folder = layout.quarantine
    folder.mkdir(parents=True, exist_ok=True)
    was = path.relative_to(layout.root).as_posix().replace("/", "--")
    name = f"{int(now)}-{was[-150:]}"
    place, number = folder / name, 1
    while place.exists() or place.is_symlink():
        number += 1
        place = folder / f"{name}.{number}"
    return place
