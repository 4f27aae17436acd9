"""Finds the engine's answers to wishes among the events, and says them in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuilab.contract.foreign import clean_line


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine said to one wish."""

    request: str
    """Id of the wish."""
    text: str
    """"" when it was taken without a word."""
    role: str


def answers(events: Sequence[Mapping[str, Any]], asked: frozenset[str]) -> list[Answer]:
    """Return the answers to the wishes in ``asked``, oldest first."""
    if not asked:
        return []
    found = []
    for event in events:
        request = event.get("id")
        if event.get("kind") != "request" or request not in asked:
            continue
        why = clean_line(str(event.get("why") or ""), 300)
        if event.get("accepted"):
            found.append(Answer(str(request), why, "warn"))
        else:
            found.append(Answer(str(request), f"refused: {why or 'no reason given'}", "failed"))
    return found
