"""What people write down about cells and the whole experiment: a note and tags; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

EXPERIMENT = ""
"""Stands for the whole experiment where cells are named."""
LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Note:
    """What is written about one cell, or about the experiment."""

    text: str = ""
    tags: tuple[str, ...] = ()
    """Without the #, sorted."""
    by: str = ""
    """Who wrote last."""

    def __bool__(self) -> bool:
        return bool(self.text or self.tags)

    def __str__(self) -> str:
        return " ".join([*(f"#{tag}" for tag in self.tags), *([self.text] if self.text else [])])


NO_NOTE = Note()


def changed(before: Note, line: Mapping[str, Any]) -> Note:
    """Return a note after a change: another text (null keeps it), tags added and taken off."""
    text = before.text if line.get("text") is None else str(line["text"])
    tags = {*before.tags, *map(str, line.get("tags", ()))} - set(map(str, line.get("untag", ())))
    return Note(text, tuple(sorted(tags)), str(line.get("by") or ""))


def read_tags(words: Iterable[str]) -> tuple[str, ...]:
    """Read tags with or without #, several in a word by commas; ValueError for one that is none."""
    found: dict[str, None] = {}
    for tag in (part for word in words for part in word.replace(",", " ").split()):
        name = tag.removeprefix("#").lower()
        if not name or not name.replace("-", "").replace("_", "").isalnum() or len(name) > 40:
            raise ValueError(f"{tag!r} is not a tag: use letters, digits, - and _")
        found[name] = None
    return tuple(found)
